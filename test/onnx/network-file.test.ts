import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ModelSchema } from "../../src/graph/onnx_pb.ts";
import { readNetworkFile } from "../../src/onnx/network-file.ts";
import { prepare } from "../../src/onnx/prepare.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { temporaryFolder } from "../dataset/cifar-files.ts";
import { onnxFile, smallParts } from "./files.ts";

/** The small network with one of its weights in another file. */
function withOutside(location: string) {
  const model = fromBinary(ModelSchema, onnxFile(smallParts()));
  const weight = model.graph!.initializer.find(({ name }) => name === "w2")!;
  const values = weight.rawData!;
  delete weight.rawData;
  weight.dataLocation = 1;
  const entries = { location, offset: "16", length: String(values.length) };
  weight.externalData = Object.entries(entries).map(([key, value]) => ({
    $typeName: "earlyexit.onnx.StringEntry",
    key,
    value,
  }));
  const beside = new Uint8Array(16 + values.length);
  beside.set(values, 16);
  return { bytes: toBinary(ModelSchema, model), beside };
}

test("weights in a file beside it are read, and are the network's", async () => {
  const folder = temporaryFolder();
  const { bytes, beside } = withOutside("weights/w2.bin");
  mkdirSync(join(folder, "weights"));
  writeFileSync(join(folder, "net.onnx"), bytes);
  writeFileSync(join(folder, "weights/w2.bin"), beside);
  const { external, bytes: read } = await readNetworkFile(join(folder, "net.onnx"));
  expect([...external.keys()]).toEqual(["weights/w2.bin"]);
  const runtime = createNodeRuntime({ threads: 1 });
  const { graph } = await prepare(read, { runtime, where: "net.onnx", external });
  expect(graph.constants.get("w2")!.rawData).toEqual(beside.subarray(16));
  writeFileSync(join(folder, "weights/w2.bin"), beside.subarray(0, 20));
  const short = await readNetworkFile(join(folder, "net.onnx"));
  await expect(prepare(read, { runtime, where: "net.onnx", external: short.external })).rejects.toThrow(
    /net\.onnx: 2304 bytes of w2 from 16 on expected .* found 20 bytes/,
  );
});

test.each([
  ["out of the folder", "../w2.bin"],
  ["an absolute path", "/etc/passwd"],
  ["a link", "link.bin"],
  ["a folder that is a link", "linked/w2.bin"],
  ["nothing there", "missing.bin"],
])("refused: %s", async (_, location) => {
  const outer = temporaryFolder();
  const folder = join(outer, "inner");
  mkdirSync(folder);
  const { bytes, beside } = withOutside(location);
  writeFileSync(join(outer, "w2.bin"), beside);
  symlinkSync(join(outer, "w2.bin"), join(folder, "link.bin"));
  symlinkSync(outer, join(folder, "linked"));
  writeFileSync(join(folder, "net.onnx"), bytes);
  await expect(readNetworkFile(join(folder, "net.onnx"))).rejects.toThrow(/net\.onnx: .* expected, found .*; /);
});
