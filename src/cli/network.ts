import { basename } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { blueprintNames } from "../network/blueprints.ts";
import { blueprintStages, checkBlueprint, networkCost } from "../network/cost.ts";
import { describeNetwork, type NetworkInfo } from "../onnx/describe.ts";
import { readNetworkFile } from "../onnx/network-file.ts";
import { prepare } from "../onnx/prepare.ts";
import { formatCount, formatMillions, formatPercent } from "../report/format.ts";
import { formatTable } from "../report/table.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import { jsonOption, number } from "./options.ts";
import { say } from "./output.ts";
import { resolveBlueprint } from "./run-config.ts";

const DEFAULT_CLASSES = 10;

export function networkCommand() {
  const command = new Command("network").description("Look at network blueprints and ONNX files.");
  command
    .command("info")
    .description("What each exit of a blueprint costs; where an ONNX file can be cut.")
    .argument("<name>", `${blueprintNames.join(", ")}, a JSON file or an ONNX file`)
    .addOption(
      new Option("--classes <n>", `classes that a blueprint tells apart (default ${DEFAULT_CLASSES})`).argParser(
        number("classes", 2, 65536, true),
      ),
    )
    .addOption(
      new Option(
        "--input <s>",
        "height and width of the pictures, where an ONNX file leaves them open (default 224)",
      ).argParser(number("input", 1, 4096, true)),
    )
    .addOption(jsonOption())
    .action(async (name, flags) => {
      const print = (json: object, text: () => string): void => {
        say(`${flags.json ? JSON.stringify(json, null, 2) : text()}\n`);
      };
      if (name.endsWith(".onnx")) {
        if (flags.classes !== undefined)
          throw new UserError(
            `network info: no --classes with an ONNX file expected, found ${flags.classes}; the file says them`,
          );
        const info = await fileInfo(name, flags.input);
        return print({ file: basename(name), ...info }, () => fileText(info));
      }
      if (flags.input !== undefined)
        throw new UserError(
          `network info: --input with an ONNX file expected, found ${name}; a blueprint says its input`,
        );
      const blueprint = await resolveBlueprint(name);
      const classes = flags.classes ?? DEFAULT_CLASSES;
      checkBlueprint(blueprint, classes);
      const cost = networkCost(blueprintStages(blueprint, classes));
      print(cost, () => blueprintText(cost));
    });
  return command;
}

function blueprintText({
  exitMacs,
  backboneMacs,
  fullMacs,
  parameters,
  bytes,
}: ReturnType<typeof networkCost>): string {
  const columns = ["exit", "M MACs", "backbone alone", "parameters", "bytes"].map((title) => ({ title }));
  const rows = exitMacs.map((macs, k) => [
    String(k + 1),
    formatMillions(macs),
    formatMillions(backboneMacs[k]!),
    formatCount(parameters[k]!),
    formatCount(bytes[k]!),
  ]);
  return `${formatTable(columns, rows)}\nfull network (backbone and last head alone): ${formatMillions(fullMacs)} M MACs`;
}

async function fileInfo(path: string, side: number | undefined): Promise<NetworkInfo> {
  const { bytes, external } = await readNetworkFile(path);
  const runtime = createNodeRuntime();
  return describeNetwork(await prepare(bytes, { runtime, where: path, external, ...(side ? { side } : {}) }));
}

function fileText({ opset, inputs, answer, parameters, bytes, macs, cuts, join }: NetworkInfo): string {
  const shown = inputs.map(({ name, type, shape }) => `${name} ${type} [${shape.join(", ")}]`);
  const head = [
    `inputs: ${shown.join("; ")}`,
    `answer: ${answer.name} [${answer.shape.join(", ")}]${answer.softmax ? ", before the softmax at its end" : ""}`,
    `opset ${opset}; ${formatCount(parameters)} parameters, ${formatCount(bytes)} bytes; ${formatMillions(macs)} M MACs a picture`,
  ];
  if (cuts.length === 0) {
    const why = join ? `: only ${join}` : "";
    return [
      ...head,
      `no cut: no single tensor with work before and behind it lies between input and answer${why}`,
    ].join("\n");
  }
  const columns = [
    { title: "cut", align: "left" as const },
    ...["shape", "M MACs before", "after", "share", "bytes handed on"].map((title) => ({ title })),
    { title: "narrow", align: "left" as const },
  ];
  const rows = cuts.map(({ name, shape, macsBefore, macsAfter, share, bytes, beside, isNarrow }) => [
    [name, ...beside].join(" + "),
    shape.join("x"),
    formatMillions(macsBefore),
    formatMillions(macsAfter),
    formatPercent(share),
    formatCount(bytes),
    isNarrow ? "yes" : "",
  ]);
  return [...head, "", formatTable(columns, rows)].join("\n");
}
