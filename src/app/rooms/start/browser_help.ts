// What a person can do where WebGPU is missing, for this browser on this system. Versions as of
// https://github.com/gpuweb/gpuweb/wiki/Implementation-Status

import { text } from "../../text.ts";

export interface Surroundings {
  /** navigator.userAgent */
  agent: string;
  /** Of the page's address. */
  host: string;
  /** Whether the page is a secure context. */
  secure: boolean;
  /** WebGPU is there, but it found no adapter. */
  noAdapter: boolean;
}

/** Sentences, the most likely remedy first. */
export function browserHelp({ agent, host, secure, noAdapter }: Surroundings): string[] {
  const help = text.start.help;
  if (!secure) return [help.insecure(host)];
  const version = (pattern: RegExp) => Number(pattern.exec(agent)?.[1] ?? NaN);
  const chrome = version(/Chrom(?:e|ium)\/(\d+)/), firefox = version(/Firefox\/(\d+)/);
  const safari = version(/Version\/(\d+)\S* (?:Mobile\/\S+ )?Safari/);
  if (/iPhone|iPad|CriOS|FxiOS/.test(agent)) {
    return [/CriOS|FxiOS|EdgiOS/.test(agent) ? help.iosOther : help.safari(safari)];
  }
  if (firefox) {
    const advice = /Windows/.test(agent)
      ? help.firefoxWindows(firefox)
      : /Mac OS X/.test(agent)
      ? help.firefoxMac(firefox)
      : help.firefoxOther;
    return noAdapter ? [advice, help.driver] : [advice];
  }
  if (chrome) {
    if (chrome < 113) return [help.chrome(chrome)];
    if (/Android/.test(agent)) return [help.chromeAndroid, help.gpuPage];
    const linux = /Linux/.test(agent) ? [help.chromeLinux] : [];
    return [help.chrome(chrome), ...linux, help.driver, help.gpuPage];
  }
  if (safari) return [help.safari(safari)];
  return [help.other, help.driver];
}
