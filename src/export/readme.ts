/** The README of an export: what lies in the folder, and a program that uses it. */
import { formatLambda, formatPercent } from "../report/format.ts";
import type { FileDescription, Manifest } from "./manifest.ts";

export function readme(manifest: Manifest): string {
  const sections = [
    `# ${manifest.network}: ${manifest.target === "onnx" ? "one file that exits by itself" : "one file per stage"}`,
    `ONNX, standard operators only (opset ${manifest.opset}): runs in ONNX Runtime ${manifest.leastRuntime} and later. What \`manifest.json\` says in ` +
      "JSON is said here in words; `MODEL_CARD.md` says what the model was made from and what it cannot do.",
    photographText(manifest),
    ...preciseText(manifest),
    manifest.target === "onnx" ? oneFileText(manifest) : stagesText(manifest),
    ...manifest.files.map(fileText),
  ];
  return `${sections.join("\n\n")}\n`;
}

/** As `imageDataPixels` scales; Pillow's means differ from it by rounding. */
function photographText({ image }: Manifest): string {
  const [channels, height, width] = image.shape;
  const [mode, array] =
    channels === 1 ? ["L", "np.asarray(image)[None]"] : ["RGB", "np.asarray(image).transpose(2, 0, 1)"];
  return [
    `Pictures are ${width} wide and ${height} high, channels first, values 0 to 255; they are normalised inside. A photograph is scaled until it just ` +
      "covers that, cut in the middle, each pixel the mean of those that it covers. In Python, with Pillow:",
    fenced("python", [
      "import numpy as np",
      "from PIL import Image, ImageOps",
      "",
      "def picture(path):",
      `    image = ImageOps.exif_transpose(Image.open(path)).convert("${mode}")`,
      `    image = ImageOps.fit(image, (${width}, ${height}), Image.BOX)`,
      `    return ${array}`,
    ]),
  ].join("\n\n");
}

/** Where a class is not always named. */
function preciseText({ precise }: Manifest): string[] {
  if (!precise) return [];
  const { wanted, lambda, least, answered, precision } = precise;
  return [
    `\`unsure\` is 1 where the answer is less sure than ${formatPercent(least, 2)}: then no class is to be named. So ${formatPercent(wanted, 2)} of ` +
      `the answers that name one are to be right; of the validation pictures ${formatPercent(answered)} were answered and ` +
      `${formatPercent(precision, 2)} of those rightly, at lambda ${formatLambda(lambda)}. At another lambda pictures leave elsewhere: export ` +
      "again with `--lambda` and `--precise`. Classes only: a picture that shows none of them may still look sure.",
  ];
}

function oneFileText({ lambda, image, precise }: Manifest): string {
  return [
    "Stages after the exit taken are never computed: they lie inside `If` nodes. An `If` decides once per run, so a run takes one " +
      "picture; export stages for batches. Both inputs are required. In Python:",
    fenced("python", [
      "import json",
      "import numpy as np",
      "import onnxruntime as ort",
      "",
      'manifest = json.load(open("manifest.json"))',
      'session = ort.InferenceSession("model.onnx")',
      "",
      `def classify(image, lambda_=${formatLambda(lambda.recommended)}):`,
      `    """image: array [${image.shape.join(", ")}] with values 0 to 255"""`,
      '    feeds = {"image": np.float32(image)[None], "lambda": np.array(lambda_, np.float32)}',
      ...(precise
        ? [
            '    names = ["class", "probabilities", "exit", "cost", "unsure"]',
            "    answer, probabilities, exit, cost, unsure = session.run(names, feeds)",
            '    label = "unsure" if unsure[0] else manifest["classes"][answer[0]]',
            "    return label, probabilities[0], exit[0], cost[0]",
          ]
        : [
            '    answer, probabilities, exit, cost = session.run(["class", "probabilities", "exit", "cost"], feeds)',
            '    return manifest["classes"][answer[0]], probabilities[0], exit[0], cost[0]',
          ]),
    ]),
    "In JavaScript, where whole numbers come as BigInt:",
    fenced("js", [
      'import * as ort from "onnxruntime-node"; // or "onnxruntime-web"',
      "",
      'const session = await ort.InferenceSession.create("model.onnx");',
      `const image = new ort.Tensor("float32", pixels, [1, ${image.shape.join(", ")}]); // Float32Array with values 0 to 255`,
      `const lambda = new ort.Tensor("float32", Float32Array.of(${formatLambda(lambda.recommended)}), []);`,
      "const answer = await session.run({ image, lambda });",
      "const [index, exit] = [Number(answer.class.data[0]), Number(answer.exit.data[0])];",
      ...(precise ? ["const isUnsure = Number(answer.unsure.data[0]) === 1; // name no class"] : []),
    ]),
  ].join("\n\n");
}

function stagesText({ lambda, image, batch, precise }: Manifest): string {
  const [channels, height, width] = image.shape;
  const isFixed = batch !== null && batch > 1;
  return [
    ...(batch === null ? [] : [`Every run takes exactly ${batch} picture${isFixed ? "s" : ""}.`]),
    "Run stage 1, give its answer to the pictures whose `exit_now` is 1, hand the others on to stage 2, and so on: the " +
      "computing that is saved is what you do not run. Any language will do; in Python:",
    fenced("python", [
      "import json",
      "import numpy as np",
      "import onnxruntime as ort",
      "",
      'manifest = json.load(open("manifest.json"))',
      'stages = [(file, ort.InferenceSession(file["file"])) for file in manifest["files"]]',
      "",
      `def classify(images, lambda_=${formatLambda(lambda.recommended)}):`,
      `    """images: array [${isFixed ? `at most ${batch}` : (batch ?? "B")}, ${channels}, ${height}, ${width}] with values 0 to 255"""`,
      "    answers = [None] * len(images)",
      "    rows = np.arange(len(images))  # the pictures still on the way",
      '    given = {"image": np.float32(images)}',
      "    for k, (file, session) in enumerate(stages):",
      ...(isFixed
        ? [
            "        # repeats pictures until the batch is full",
            `        given = {name: np.resize(values, (${batch}, *values.shape[1:])) for name, values in given.items()}`,
          ]
        : []),
      '        feeds = {one["name"]: given[one.get("from", one["name"])] for one in file["inputs"] if one["name"] != "lambda"}',
      '        if any(one["name"] == "lambda" for one in file["inputs"]):',
      '            feeds["lambda"] = np.array(lambda_, np.float32)',
      '        names = [one["name"] for one in file["outputs"]]',
      "        result = dict(zip(names, session.run(names, feeds)))",
      ...(isFixed ? ["        result = {name: values[:len(rows)] for name, values in result.items()}"] : []),
      '        leaves = result["exit_now"][:, 0] == 1',
      "        for row in np.flatnonzero(leaves):",
      '            probabilities = result["probabilities"][row]',
      '            label = manifest["classes"][probabilities.argmax()]',
      ...(precise ? ['            label = "unsure" if result["unsure"][row, 0] == 1 else label'] : []),
      "            answers[rows[row]] = (label, probabilities, k + 1)",
      "        if leaves.all():",
      "            return answers",
      "        rows = rows[~leaves]",
      '        given = {name: values[~leaves] for name, values in result.items() if name.startswith("next_")}',
    ]),
  ].join("\n\n");
}

function fileText({ file, inputs, outputs, operators }: FileDescription): string {
  const values = (list: FileDescription["inputs"]): string =>
    list
      .map(({ name, type, shape, meaning, from }) => {
        const source = from ? ` (\`${from}\` of the stage before)` : "";
        return `- \`${name}\` ${type} ${shape.length > 0 ? `[${shape.join(", ")}]` : "scalar"}: ${meaning}${source}`;
      })
      .join("\n");
  return `## ${file}\n\nInputs:\n\n${values(inputs)}\n\nOutputs:\n\n${values(outputs)}\n\nOperators: ${operators.join(", ")}.`;
}

function fenced(language: string, lines: readonly string[]): string {
  return ["```", language, "\n", lines.join("\n"), "\n```"].join("");
}
