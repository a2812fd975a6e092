/** What learning must be given, and what it must give: numbers, everywhere. */
import { UserError } from "../errors.ts";
import type { ExitCosts, ExitTable } from "../exits/exit-table.ts";
import { increasingCosts } from "../exits/table-file.ts";
import type { Agent } from "./agent.ts";

/** @throws {UserError} unless every logit is finite, every label a class, costs rise, and there is one for each exit */
export function checkLearnable(
  { logits, labels, exits, classes }: ExitTable,
  { exitMacs, fullMacs }: ExitCosts,
  where: string,
): void {
  const wrong = logits.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new UserError(
      `${where}: finite logits expected, found ${logits[wrong]} at image ${Math.floor(wrong / (exits * classes))}, ` +
        `exit ${(Math.floor(wrong / classes) % exits) + 1}; find out why the network gave that`,
    );
  const label = labels.findIndex((one) => one >= classes);
  if (label >= 0)
    throw new UserError(
      `${where}: labels of 0 to ${classes - 1} expected, found ${labels[label]} at image ${label}; count classes from 0`,
    );
  increasingCosts(exitMacs, `${where}: costs`);
  if (exitMacs.length !== exits || !(fullMacs > 0 && fullMacs < Number.POSITIVE_INFINITY))
    throw new UserError(
      `${where}: ${exits} costs and a full one above 0 expected, found ${exitMacs.length} and ${fullMacs}; give one per exit`,
    );
}

/** The agent itself. @throws {UserError} if learning made something else than numbers of its weights */
export function finiteAgent(agent: Agent): Agent {
  for (const [name, { data }] of agent.weights) {
    const wrong = data.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0)
      throw new UserError(
        `learn: finite numbers in the agent's ${name} expected, found ${data[wrong]}; lower learningRate`,
      );
  }
  return agent;
}
