// `deno task bench`: what is measured without a GPU.
import { benchData } from "./data.ts";

await benchData();
