// The device: every useful limit requested, every byte counted, failures turned into sentences.

import { EftError } from "../errors.ts";
import type { Limits } from "../graph/limits.ts";
import type { EngineName, Host } from "../host/host.ts";

/** What a person and a log want to know of an adapter. */
export interface AdapterSummary {
  engine: EngineName;
  /** The adapter's own description, or vendor and architecture. */
  name: string;
  /** A CPU pretending to be a GPU. */
  software: boolean;
  features: string[];
}

const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

const wantedFeatures = ["shader-f16", "timestamp-query"] as const;

/** `minStorageBufferOffsetAlignment` of a device that asks for no other. */
const defaultAlignment = 256;

/** Storage buffers that the widest kernel binds. */
const storageBuffersNeeded = 8;

export class Device {
  readonly gpu: GPUDevice;
  readonly summary: AdapterSummary;
  readonly limits: Limits;
  /** Bytes of all live buffers, and the most there have been. */
  allocatedBytes = 0;
  peakBytes = 0;
  /** Set when the device is lost or reports an error outside any scope. */
  failure: EftError | undefined;
  #destroyed = false;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  constructor(gpu: GPUDevice, summary: AdapterSummary) {
    this.gpu = gpu;
    this.summary = summary;
    this.limits = limitsOf(summary, gpu.limits);
    gpu.lost.then((info) => {
      if (this.#destroyed) return;
      this.failure ??= new EftError("device", `The GPU device was lost: ${info.message}`);
    });
    gpu.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      this.failure ??= new EftError(
        "device",
        error.constructor.name === "GPUOutOfMemoryError"
          ? `The GPU has no memory left at ${mebibytes(this.allocatedBytes)}. ` +
            "Lower micro_batch_size or sequence_len, or set gradient_checkpointing: true."
          : `The GPU reports: ${error.message}`,
      );
    });
  }

  /** Throws what went wrong on the device since the last look, if anything. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /** Makes a zeroed buffer and counts it. Throws an EftError when the device has no room. */
  buffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    if (bytes > this.limits.maxBuffer) {
      throw new EftError(
        "device",
        `${label} needs a buffer of ${mebibytes(bytes)}, but this device allows at most ` +
          `${mebibytes(this.limits.maxBuffer)}. Lower micro_batch_size or sequence_len.`,
      );
    }
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    const buffer = this.gpu.createBuffer({ label, size, usage });
    this.allocatedBytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.allocatedBytes);
    return buffer;
  }

  release(buffer: GPUBuffer): void {
    this.allocatedBytes -= buffer.size;
    buffer.destroy();
  }

  layout(access: readonly ("read" | "write")[]): GPUBindGroupLayout {
    const key = access.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.gpu.createBindGroupLayout({
        label: key,
        entries: access.map((kind, binding) => ({
          binding,
          visibility: 4, // GPUShaderStage.COMPUTE
          buffer: { type: kind === "read" ? "read-only-storage" : "storage" },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  /** Compiles a kernel, once per source. */
  pipeline(
    label: string,
    source: string,
    access: readonly ("read" | "write")[],
  ): Promise<GPUComputePipeline> {
    let pipeline = this.#pipelines.get(source);
    if (!pipeline) {
      pipeline = this.#compile(label, source, access);
      this.#pipelines.set(source, pipeline);
    }
    return pipeline;
  }

  async #compile(
    label: string,
    source: string,
    access: readonly ("read" | "write")[],
  ): Promise<GPUComputePipeline> {
    this.gpu.pushErrorScope("validation");
    const module = this.gpu.createShaderModule({ label, code: source });
    const layout = this.gpu.createPipelineLayout({ bindGroupLayouts: [this.layout(access)] });
    const made = this.gpu.createComputePipelineAsync({
      label,
      layout,
      compute: { module, entryPoint: "main" },
    });
    const scope = this.gpu.popErrorScope();
    scope.catch(() => {}); // when both fail, `made` is the one that is waited for
    try {
      const pipeline = await made;
      const error = await scope;
      if (error) throw new Error(error.message);
      return pipeline;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new EftError("internal", `Kernel ${label} does not compile: ${message}`, {}, { cause });
    }
  }

  /** Why the device was lost, or undefined when it is there. A failure may be seen before its cause. */
  async lossReason(): Promise<string | undefined> {
    const info = await Promise.race([
      this.gpu.lost,
      new Promise<undefined>((resolve) => setTimeout(resolve, 200)),
    ]);
    return info && (info.message.trim().replace(/\.$/, "") || info.reason);
  }

  destroy(): void {
    this.#destroyed = true;
    this.gpu.destroy();
  }
}

/** An adapter that Eft can use, and the limits that its device will have. */
export interface FoundAdapter {
  adapter: GPUAdapter;
  summary: AdapterSummary;
  limits: Limits;
}

/** The adapter of the preferred engine that has one; nothing is opened. Throws when none has. */
export async function findAdapter(host: Host, wanted?: EngineName): Promise<FoundAdapter> {
  for (const { name, gpu } of await host.engines(wanted)) {
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) continue;
    const summary = summarise(name, adapter);
    const storageBuffers = adapter.limits.maxStorageBuffersPerShaderStage;
    if (storageBuffers < storageBuffersNeeded) {
      throw new EftError(
        "device",
        `${summary.name} binds ${storageBuffers} storage buffers to a kernel; ` +
          `Eft needs ${storageBuffersNeeded}. Update the browser or the driver.`,
      );
    }
    const limits = { ...limitsOf(summary, adapter.limits), offsetAlignment: defaultAlignment };
    return { adapter, summary, limits };
  }
  throw new EftError(
    "device",
    wanted
      ? `The engine ${wanted} finds no GPU adapter. Leave out --engine, or install a Vulkan driver.`
      : "No WebGPU adapter was found. On Debian or Ubuntu install mesa-vulkan-drivers " +
        "(a software adapter), or the driver of your GPU; in a browser, turn on WebGPU.",
  );
}

/** Opens the preferred engine that has an adapter. Throws an EftError("device") when none has. */
export async function openDevice(host: Host, wanted?: EngineName): Promise<Device> {
  const { adapter, summary } = await findAdapter(host, wanted);
  const device = await adapter.requestDevice({
    label: "eft",
    requiredFeatures: wantedFeatures.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(
      wantedLimits.map((limit) => [limit, adapter.limits[limit] as number]),
    ),
  });
  return new Device(device, summary);
}

function limitsOf(summary: AdapterSummary, limits: GPUSupportedLimits): Limits {
  return {
    software: summary.software,
    f16: summary.features.includes("shader-f16"),
    maxBinding: limits.maxStorageBufferBindingSize,
    maxBuffer: limits.maxBufferSize,
    maxWorkgroupStorage: limits.maxComputeWorkgroupStorageSize,
    maxInvocations: limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    offsetAlignment: limits.minStorageBufferOffsetAlignment,
    adapter: summary.name,
  };
}

/** Says what an adapter is, without opening a device. */
export function summarise(engine: EngineName, adapter: GPUAdapter): AdapterSummary {
  const { vendor, architecture, device, description } = adapter.info;
  const name = description || [vendor, architecture, device].filter(Boolean).join(" ") ||
    "unnamed adapter";
  const software = adapter.info.isFallbackAdapter === true ||
    /llvmpipe|lavapipe|swiftshader|software|basic render/i.test(`${name} ${architecture}`);
  return { engine, name, software, features: [...adapter.features].sort() };
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
