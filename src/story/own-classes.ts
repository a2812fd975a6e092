/** Whether somebody's network tells the same classes apart as the data, and which of its answers are whose. */
import type { AttachOptions } from "./attach-options.ts";
import { accuracyOf, isNearChance, judged } from "./head-sizes.ts";

/** Which of the network's own classes the data's are, with what the user should know about it. */
export function ownClasses({ network, data }: AttachOptions, answers: Float32Array, labels: Uint16Array) {
  const { classes } = data;
  const width = answers.length / labels.length;
  const named = network.labels && classes.map((name) => indexOfName(network.labels!, name));
  const byName = named?.every((index) => index >= 0) ? named : null;
  const columns = byName ?? (width === classes.length ? classes.map((_, k) => k) : null);
  if (!columns)
    return {
      answerClasses: null,
      notes: [
        `its own ${width} classes are not those of ${data.name}: the last exit is a new head on its last features`,
      ],
    };
  const own = chosenColumns(answers, labels.length, columns);
  const accuracy = accuracyOf(judged(own, labels, classes.length).correct);
  if (!isNearChance(accuracy, labels, classes.length)) return { answerClasses: columns, notes: [] };
  const order = byName ? "" : "either its classes have another order (give --labels), or ";
  return {
    answerClasses: null,
    notes: [
      `its own answers are right for ${(100 * accuracy).toFixed(1)}% of the training pictures, near chance: ${order}` +
        "its pictures are prepared otherwise (try another --normalise, --channels or --layout)",
    ],
  };
}

function indexOfName(labels: readonly string[], name: string): number {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  return labels.findIndex((label) => plain(label) === plain(name));
}

/** [N, K] of the network's answers [N, K']. */
export function chosenColumns(answers: Float32Array, count: number, columns: readonly number[]): Float32Array {
  const width = answers.length / count;
  return Float32Array.from({ length: count * columns.length }, (_, at) => {
    const [i, k] = [Math.floor(at / columns.length), at % columns.length];
    return answers[i * width + columns[k]!]!;
  });
}
