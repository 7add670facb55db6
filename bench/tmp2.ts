import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import { normals } from "./ours.ts";
await tf.setBackend("webgpu"); await tf.ready();
const be: any = tf.backend();
be.device.addEventListener("uncapturederror", (e: any) => console.log("TFERR", e.error.message.slice(0, 3000)));
for (const n of [4, 32, 64, 512]) {
  const x = normals(n * n, 1), y = normals(n * n, 2);
  const ta = tf.tensor2d(x, [n, n]), tb = tf.tensor2d(y, [n, n]);
  for (let q = 0; q < 3; q++) {
    const o = tf.matMul(ta, tb);
    const d = await o.data();
    let e = 0, z = 0;
    for (let i = 0; i < n; i++) { const j = (i * 31) % n; let v = 0; for (let k = 0; k < n; k++) v += x[i * n + k] * y[k * n + j]; e = Math.max(e, Math.abs(v - d[i * n + j])); }
    for (const v of d) if (v === 0) z++;
    console.log(n, q, "err", e, "zeros", z, d.slice(0, 4));
  }
  console.log((await ta.data()).slice(0,3), x.slice(0,3));
}
Deno.exit(0);
