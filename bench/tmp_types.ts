import * as jax from "@jax-js/jax";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import { Memory } from "../src/gpu/program.ts";
console.log(jax.numpy, tf.matMul, Memory);
