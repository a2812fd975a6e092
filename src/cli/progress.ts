import { SingleBar } from "cli-progress";
import type { DqnProgress } from "../policy/dqn.ts";
import { formatCount } from "../report/format.ts";
import type { TrainingProgress } from "../training/training-loop.ts";
import { printable } from "./output.ts";

/** Seconds between lines where there is no terminal to draw a bar on. */
const LINE_EVERY = 10;

/** What a person sees while a command works; all of it goes to stderr. */
export interface Progress {
  note(text: string): void;
  training(progress: TrainingProgress): void;
  learning(progress: DqnProgress): void;
  counting(label: string, done: number, total: number): void;
  /** With how many a second, and the time left. */
  rating(label: string, done: number, total: number): void;
  download(received: number, total: number | null): void;
  /** Leaves the bar as it stands. */
  stop(): void;
}

/** What takes lines, and is no terminal. */
interface LineStream {
  readonly isTTY: false;
  write(text: string): unknown;
}

/** A bar on a terminal, plain lines elsewhere. */
export function createProgress(stream: NodeJS.WriteStream | LineStream = process.stderr): Progress {
  let bar: SingleBar | null = null;
  let barLabel = "";
  let lastLine = Number.NEGATIVE_INFINITY;
  const remaining = timeLeft();
  const stop = (): void => {
    bar?.stop();
    bar = null;
  };
  const note = (text: string): void => {
    stop();
    stream.write(`${printable(text)}\n`);
  };
  const advance = (label: string, done: number, total: number, long: string, force = false, short = long): void => {
    const details = stream.isTTY ? short.slice(0, roomBeside(label, stream.columns ?? 80)) : long;
    if (stream.isTTY) {
      if (!bar || barLabel !== label) {
        stop();
        barLabel = label;
        bar = new SingleBar({
          format: `${label} {bar} {percentage}% {details}`,
          stream,
          hideCursor: true,
          barsize: BAR,
          fps: 5,
        });
        bar.start(total, done, { details });
      }
      bar.update(done, { details });
      if (done === total) stop();
      return;
    }
    const now = performance.now() / 1000;
    if (!force && done !== total && now - lastLine < LINE_EVERY) return;
    lastLine = now;
    stream.write(`${label} ${((100 * done) / total).toFixed(0)}% ${details}\n`);
  };
  return {
    note,
    stop,
    training(one) {
      const left = `${duration(remaining(one.step, one.steps) ?? one.secondsLeft)} left`;
      const short = `epoch ${one.epoch.toFixed(1)}/${one.epochs}, ${left}, ${percents(one.accuracy)}`;
      const isLook = one.validationAccuracy !== undefined;
      advance("train", one.step, one.steps, `${trainingDetails(one)} ${left}`, isLook, short);
      if (one.validationAccuracy && stream.isTTY)
        note(`epoch ${Number(one.epoch.toFixed(1))}: validation ${percents(one.validationAccuracy)}`);
    },
    learning(one) {
      const worth = `rightness less price ${one.return.toFixed(4)}, best so far ${one.best.toFixed(4)}`;
      const details = `${worth}; tries at random ${(100 * one.epsilon).toFixed(0)}%; leave at each exit ${percents(one.exitShares)}`;
      const short = `worth ${one.return.toFixed(4)}, best ${one.best.toFixed(4)}, exits ${percents(one.exitShares)}`;
      advance("learn", one.step, one.steps, details, false, short);
    },
    counting(label, done, total) {
      if (barLabel !== label) lastLine = performance.now() / 1000; // what is done within seconds needs no line
      if (stream.isTTY || done < total) advance(label, done, total, `${done}/${total}`);
      barLabel = label;
    },
    rating(label, done, total) {
      const left = remaining(done, total);
      const rate =
        left === null || done === total ? "" : `, ${perSecond((total - done) / left)}, ${duration(left)} left`;
      advance(label, done, total, `${formatCount(done)}/${formatCount(total)}${rate}`);
    },
    download: (received, total) =>
      advance(
        "download",
        received,
        total ?? received,
        `${(received / 1e6).toFixed(1)} MB${total ? ` of ${(total / 1e6).toFixed(1)}` : ""}`,
      ),
  };
}

const BAR = 20;

/** Beside the label, the bar and "100%", with spaces between them, in a terminal of so many columns. */
function roomBeside(label: string, columns: number): number {
  return Math.max(0, columns - label.length - BAR - "  100%  ".length);
}

/** Seconds left, from the mean of all steps since the first that was seen, looks at validation images included; null at that first one. */
export function timeLeft(now: () => number = () => performance.now()): (step: number, steps: number) => number | null {
  let first: { step: number; at: number } | null = null;
  return (step, steps) => {
    first ??= { step, at: now() };
    return step === first.step ? null : (((now() - first.at) / 1000) * (steps - step)) / (step - first.step);
  };
}

function trainingDetails(one: TrainingProgress): string {
  const validation = one.validationAccuracy ? ` validation ${percents(one.validationAccuracy)}` : "";
  return (
    `epoch ${one.epoch.toFixed(1)}/${one.epochs} step ${one.step}/${one.steps} loss ${one.loss.toFixed(3)} accuracy ${percents(one.accuracy)}` +
    `${validation} ${one.imagesPerSecond.toFixed(0)} images/s`
  );
}

function percents(values: readonly number[]): string {
  return `${values.map((value) => (100 * value).toFixed(1)).join("/")}%`;
}

function perSecond(rate: number): string {
  return `${rate < 10 ? rate.toFixed(1) : formatCount(Math.round(rate))}/s`;
}

export function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.round(seconds)} s`;
}
