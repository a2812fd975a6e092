import { parseArgs } from "node:util";
import { UserError } from "earlyexit";
import { z } from "zod";
import { comparisonSchema } from "./schemas.ts";

const HELP = `Usage: earlyexit models <list|learn|compare ID|promote ID|rollback> [options]

Versions of the policy of a model that a service with --store answers by.

  list                 all versions, the newest first, and how each was judged against the one before
  learn                learns on from the labels that have come; a better version answers from then on
  compare ID           what this version and the live one would have said to the answers kept last
  promote ID           this version answers from now on
  rollback             the one that the live version learned on from answers again

  --url ADDRESS        the service (default http://127.0.0.1:8080)
  --model NAME         default: its first one
  --key KEY            if it asks for keys; or EARLYEXIT_KEY in the environment
  --with ID            another version to compare with
  --json               one JSON object on stdout
  --help               this text
`;

const OPTIONS = {
  url: { type: "string", default: "http://127.0.0.1:8080" },
  model: { type: "string" },
  key: { type: "string" },
  with: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const versionSchema = z.object({
  id: z.string(),
  at: z.number(),
  parent: z.string().nullable(),
  promotedAt: z.number().nullable(),
  live: z.boolean(),
  judgement: z
    .looseObject({
      before: z.number(),
      after: z.number(),
      interval: z.tuple([z.number(), z.number()]),
      better: z.boolean(),
      images: z.object({ learn: z.number(), select: z.number(), judge: z.number() }),
    })
    .nullable(),
});
type Version = z.output<typeof versionSchema>;

/**
 * `earlyexit models`: versions, listed, learned, promoted, rolled back, by the service's HTTP interface.
 *
 * @param args what stands behind `models`
 * @throws {UserError} if the service cannot be reached, or says what is wrong
 */
export async function modelsCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  const [verb, id] = positionals;
  if (values.help || verb === undefined) {
    process.stdout.write(HELP);
    return;
  }
  const ask = client(values.url, values.key ?? process.env.EARLYEXIT_KEY);
  const { models } = z
    .object({ models: z.array(z.object({ name: z.string() })) })
    .parse(await ask("GET", "/v1/models"));
  const path = `/v1/models/${values.model ?? models[0]!.name}`;
  const list = async (): Promise<Version[]> =>
    z.object({ versions: z.array(versionSchema) }).parse(await ask("GET", `${path}/versions`)).versions;
  if (verb === "compare") {
    const beside = values.with === undefined ? "" : `?with=${encodeURIComponent(values.with)}`;
    const found = comparisonSchema.parse(await ask("GET", `${path}/versions/${wanted(verb, id)}/compare${beside}`));
    process.stdout.write(values.json ? `${JSON.stringify(found, null, 2)}\n` : `${comparisonText(found)}\n`);
    return;
  }
  if (verb === "learn") await ask("POST", `${path}/learn`);
  else if (verb === "promote" || verb === "rollback")
    await ask("POST", `${path}/versions/${verb === "rollback" ? parentOf(await list()) : wanted(verb, id)}/promote`);
  else if (verb !== "list")
    throw new UserError(
      `models: list, learn, compare, promote or rollback expected, found ${verb}; earlyexit models --help`,
    );
  const versions = await list();
  process.stdout.write(values.json ? `${JSON.stringify({ versions }, null, 2)}\n` : `${text(versions)}\n`);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (cause) {
    throw new UserError(`models: ${(cause as Error).message}; earlyexit models --help shows all options`, { cause });
  }
}

function wanted(verb: string, id: string | undefined): string {
  if (id) return id;
  throw new UserError(`models: the id of a version behind ${verb} expected, found none; earlyexit models list`);
}

function parentOf(versions: readonly Version[]): string {
  const parent = versions.find(({ live }) => live)?.parent;
  if (parent) return parent;
  throw new UserError(
    "models: a live version that learned on from another expected, found none; promote one by its id",
  );
}

function client(url: string, key: string | undefined) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  return async (method: string, path: string): Promise<unknown> => {
    const response = await fetch(new URL(path, url), { method, headers }).catch((cause) => {
      throw new UserError(`models: a service at ${url} expected, found none; start it, or give --url`, { cause });
    });
    const body = await response.json().catch(() => null);
    if (response.ok) return body;
    throw new UserError(`models: ${(body as { error?: string } | null)?.error ?? `status ${response.status}`}`);
  };
}

function text(versions: readonly Version[]): string {
  return versions
    .map(({ id, at, live, judgement }) => {
      const when = new Date(at).toISOString().slice(0, 19);
      const head = `${live ? "*" : " "} ${id}  ${when}`;
      if (!judgement) return `${head}  as its folder held it`;
      const { before, after, interval, better, images } = judgement;
      const [low, high] = interval.map((one) => one.toFixed(4));
      const verdict = better ? "better" : "not shown to be better, not kept";
      return `${head}  return ${before.toFixed(4)} -> ${after.toFixed(4)} (${low} to ${high}) on ${images.judge} labels: ${verdict}`;
    })
    .join("\n");
}

function comparisonText({
  versions,
  lambda,
  images,
  policies,
  same,
  labelled,
}: z.output<typeof comparisonSchema>): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  const rows = versions.map((id, i) => {
    const { exits, cost } = policies[i]!;
    const right = labelled ? `, ${percent(labelled.accuracy[i]!)} right, return ${labelled.return[i]!.toFixed(4)}` : "";
    return `${id}  exits ${exits.map(percent).join(" ")}, cost ${percent(cost)}${right}`;
  });
  const [low, high] = labelled?.interval.map((one) => one.toFixed(4)) ?? [];
  const verdict = labelled
    ? `difference of the returns ${low} to ${high} (95%) on ${labelled.images} labels that came after both`
    : "no label came after both: which is better cannot be told";
  return [...rows, `${images} answers at lambda ${lambda}: ${percent(same)} called the same; ${verdict}`].join("\n");
}
