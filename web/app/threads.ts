/** Threads of ONNX Runtime: one core is left to the page itself, and more than four gain nothing on such small networks. */
export const THREADS = self.crossOriginIsolated ? Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1)) : 1;
