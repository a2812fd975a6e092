import { Command, Option } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { BUNDLED_MODELS } from "../model/bundled.ts";
import type { Decider } from "../policy/decider.ts";
import { formatLambda, formatPercent } from "../report/format.ts";
import { AdaptiveClassifier } from "../story/classifier.ts";
import { ANSWER_FORMATS, type Answered, csvHead, csvLine, explanation, plainLine } from "./answer-text.ts";
import { jsonOption, number } from "./options.ts";
import { printable, say } from "./output.ts";
import { type GivenPicture, picturesIn } from "./picture-files.ts";

/** More than this are answered by one session for all stages, which takes longer to make and is faster afterwards. */
const FEW = 8;
/** So many names are listed when pictures cannot be read. */
const NAMED = 10;

export function classifyCommand() {
  return new Command("classify")
    .description("Say what pictures show, computing no more stages than each one needs.")
    .argument("<pictures...>", "files, folders, archives, patterns like 'photos/*.jpg', or - for standard input")
    .option("--model <dir>", `model or run folder, or one of the package's: ${BUNDLED_MODELS.join(", ")}`, "cifar10")
    .addOption(
      new Option(
        "--lambda <x>",
        "price of the full network in units of one correct answer (default: the recommended one)",
      ).argParser(number("lambda", 0, 100)),
    )
    .addOption(
      new Option(
        "--precise <p>",
        "name a class only where so many percent of the answers are right, judged on validation; else say 'unsure'",
      ).argParser(number("precise", 1, 99.99)),
    )
    .addOption(new Option("--top <n>", "the n likeliest classes").default(1).argParser(number("top", 1, 1000, true)))
    .option("--explain", "why each picture left where it did, exit by exit")
    .addOption(
      new Option("--format <name>", "one line per picture, in this form")
        .choices(ANSWER_FORMATS)
        .default("text" as const),
    )
    .addOption(jsonOption().conflicts("format"))
    .action(async (given, { model, lambda, precise, json, ...form }) => {
      const pictures = await picturesIn(given);
      const classifier = await AdaptiveClassifier.load(model, {
        lazy: pictures.length <= FEW,
        ...(lambda === undefined ? {} : { lambda }),
        ...(precise === undefined ? {} : { precise: precise / 100 }),
      });
      const { network, policy } = classifier;
      const decider = policy.decider ?? "dqn";
      const told = { classes: network.classes, exits: network.stages.length, decider, ...form };
      try {
        const answers = classifying(pictures, classifier);
        const broken = json ? await printObject(answers) : await printLines(answers, told, classifier);
        if (broken.length > 0) throw brokenError(broken, pictures.length);
      } finally {
        await classifier.close();
      }
    });
}

/** One after the other; a picture that cannot be read does not keep the others from their answers. */
async function* classifying(
  pictures: readonly GivenPicture[],
  classifier: AdaptiveClassifier,
): AsyncGenerator<Answered> {
  for (const { name, read } of pictures) {
    try {
      yield { image: name, ...(await classifier.classify(await read())) };
    } catch (error) {
      if (!(error instanceof UserError) || error.message.startsWith("precise")) throw error;
      yield { image: name, error: error.message };
    }
  }
}

interface Form {
  readonly classes: readonly string[];
  readonly exits: number;
  readonly top: number;
  readonly decider: Decider;
  readonly explain?: true;
  readonly format: (typeof ANSWER_FORMATS)[number];
}

async function printLines(
  answers: AsyncIterable<Answered>,
  form: Form,
  classifier: AdaptiveClassifier,
): Promise<Broken[]> {
  const broken: Broken[] = [];
  let answered = 0;
  if (form.format === "csv") say(`${csvHead(form)}\n`);
  for await (const answer of answers) {
    if ("error" in answer) {
      broken.push(answer);
      process.stderr.write(printable(`${answer.image}: ${answer.error}\n`));
    } else answered++;
    if (form.format === "jsonl") say(`${JSON.stringify(answer)}\n`);
    else if (form.format === "csv") say(`${csvLine(answer, form)}\n`);
    else if (!("error" in answer))
      say(`${[plainLine(answer, form), ...(form.explain ? explanation(answer, form) : [])].join("\n")}\n`);
  }
  if (form.format === "text" && answered > 0) say(`${await closing(classifier)}\n`);
  return broken;
}

/** What holds of all answers. */
async function closing(classifier: AdaptiveClassifier): Promise<string> {
  const { network, lambda } = classifier;
  const sure = await classifier.sureAnswers();
  const known = `The answer is always one of ${network.classes.join(", ")}, whatever a picture shows.`;
  const unsure =
    sure &&
    `Below ${formatPercent(sure.least)} no class is named: on validation ${formatPercent(sure.answered)} of the pictures then got one, ` +
      `${formatPercent(sure.precision)} of them the right one. What is none of ${network.classes.join(", ")} may still get one.`;
  return `${unsure ?? known} Lambda ${formatLambda(lambda)}.`;
}

async function printObject(answers: AsyncIterable<Answered>): Promise<Broken[]> {
  const images: Answered[] = [];
  for await (const answer of answers) images.push(answer);
  say(`${JSON.stringify({ images }, null, 2)}\n`);
  return images.flatMap((one) => ("error" in one ? [one] : []));
}

type Broken = Extract<Answered, { error: string }>;

function brokenError(broken: readonly Broken[], count: number): UserError {
  if (count === 1) return new UserError(broken[0]!.error);
  const named = broken.slice(0, NAMED).map(({ image }) => image);
  const more = broken.length > NAMED ? ` and ${broken.length - NAMED} more` : "";
  return new UserError(
    `classify: ${count} pictures expected, found ${broken.length} that cannot be read: ${named.join(", ")}${more}; the others are answered`,
  );
}
