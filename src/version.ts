/** Of this package; the tests compare it with package.json. */
export const VERSION = "0.1.0";

/** The release of ONNX Runtime that the package was made for; the tests compare it with package.json. */
export const ORT_VERSION = "1.30.0";
