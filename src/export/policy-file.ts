/** What decides, alone: for a network that runs elsewhere, from the logits of its exits to "leave" or "go on". */
import { exitScores } from "../exits/answers.ts";
import { costShares, dialTensor } from "../exits/observation.ts";
import { reshape } from "../graph/broadcast.ts";
import { compare } from "../graph/elementwise.ts";
import { concat, slice } from "../graph/layout.ts";
import { softmax } from "../graph/loss.ts";
import { leastOpset, runtimeOfOpset } from "../graph/older-opset.ts";
import { type GraphDefinition, serialize } from "../graph/onnx.ts";
import { input, scalar, type Tensor } from "../graph/tensor.ts";
import { decidingAgent } from "../policy/decider.ts";
import { decisionLayers } from "../policy/decision-layers.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { stageDecision } from "../policy/stage-decision.ts";
import { formatLambda } from "../report/format.ts";
import { VERSION } from "../version.ts";
import { describeFile, type FileDescription } from "./manifest.ts";
import { opsetFor } from "./opset.ts";
import { clippedLambda, perImage } from "./stage.ts";

const MEANINGS = {
  logits: "of the exits computed so far; what stands at later ones is not looked at",
  lambda: "price of the last exit in units of one correct answer; moved into the range that the policy was learned for",
  exit_now: "1 where a picture that is at this exit leaves there, else 0; 1 at the last exit",
  probabilities: "of each class, at each exit; they build on those of the exits before",
};

/** `manifest.json` of a policy alone. */
export interface PolicyManifest {
  readonly format: 1;
  readonly version: string;
  readonly target: "policy";
  readonly exits: number;
  readonly classes: number;
  readonly lambda: { readonly from: number; readonly to: number; readonly recommended: number };
  /** [E] up to and including each exit, in `unit`. */
  readonly costs: { readonly unit: string; readonly perExit: readonly number[] };
  readonly opset: number;
  readonly leastRuntime: string;
  readonly files: readonly FileDescription[];
}

/**
 * Every exit decides for itself, from the logits up to its own, so that one file serves at every exit:
 *
 *     logits [B, E, K], lambda scalar -> exit_now [B, E], probabilities [B, E, K]
 */
export function policyGraph(policy: LearnedPolicy): GraphDefinition {
  const agent = decidingAgent(policy);
  const layers = decisionLayers(agent, costShares(policy.costs));
  const { exits, classes } = agent;
  const logits = input("logits", [1, exits, classes]);
  const lambda = dialTensor(clippedLambda(input("lambda", []), agent));
  const [leaves, answers]: [Tensor[], Tensor[]] = [[], []];
  let seen: Tensor | null = null;
  let [before, topClass]: [Tensor | null, Tensor | null] = [null, null];
  for (let exit = 0; exit < exits; exit++) {
    const own = reshape(slice(logits, 1, exit, exit + 1), [1, classes]); // [B, K]
    seen ??= perImage(reshape(lambda, [1, 1]), own);
    const scores: Tensor = exitScores(agent, exit, own, before);
    answers.push(reshape(softmax(scores), [1, 1, classes]));
    if (exit === exits - 1) leaves.push(compare(slice(answers[exit]!, 2, 0, 1), "GreaterOrEqual", scalar(0)));
    else {
      const decision = stageDecision(layers, { exit, scores, seen, previousTopClass: topClass });
      leaves.push(reshape(decision.exitNow, [1, 1, 1]));
      [seen, topClass] = [decision.seenByNow, decision.topClass];
    }
    before = scores;
  }
  const exitNow = reshape(concat(leaves, 1), [1, exits]);
  return { outputs: { exit_now: exitNow, probabilities: concat(answers, 1) }, anyBatch: true };
}

export interface PolicyFileOptions {
  /** The lambda that the files recommend; default: the policy's recommended one. */
  readonly lambda?: number;
  /** Default: the oldest that the operators allow, 17. */
  readonly opset?: number;
}

/** `policy.onnx`, `manifest.json` and a README with the NumPy that uses them, by name. @throws {UserError} if the opset is too old */
export async function buildPolicyFiles(
  policy: LearnedPolicy,
  { lambda = policy.lambda, opset: given }: PolicyFileOptions,
): Promise<{ manifest: PolicyManifest; files: ReadonlyMap<string, Uint8Array> }> {
  const { agent, costs, costUnit = "MACs" } = policy;
  const graph = policyGraph(policy);
  const opset = opsetFor(leastOpset(serialize(graph).operators), given);
  const about = { ...graph, opset, metadata: { producer: `earlyexit ${VERSION}`, license: "MIT" } };
  const { bytes, description } = await describeFile("policy.onnx", about, serialize(about), MEANINGS);
  const manifest: PolicyManifest = {
    format: 1,
    version: VERSION,
    target: "policy",
    exits: agent.exits,
    classes: agent.classes,
    lambda: { from: agent.lambdaRange.from, to: agent.lambdaRange.to, recommended: lambda },
    costs: { unit: costUnit, perExit: costs.exitMacs },
    opset,
    leastRuntime: runtimeOfOpset(opset).runtime,
    files: [description],
  };
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const files = new Map([
    ["policy.onnx", bytes],
    ["manifest.json", text(`${JSON.stringify(manifest, null, 2)}\n`)],
    ["README.md", text(policyReadme(manifest))],
  ]);
  return { manifest, files };
}

function policyReadme({ exits, classes, lambda, opset, leastRuntime }: PolicyManifest): string {
  return `# A policy alone: where each picture leaves a network with ${exits} exits

ONNX, standard operators only (opset ${opset}): runs in ONNX Runtime ${leastRuntime} and later. Compute the network exit by exit, in
whatever framework it lives, and ask the policy after each: the stages behind the exit taken are what you do not compute.

\`\`\`python
import numpy as np
import onnxruntime as ort

policy = ort.InferenceSession("policy.onnx")

def classify(stages, x, lambda_=${formatLambda(lambda.recommended)}):
    """stages: one function per exit, from what the one before handed on to (what it hands on, its logits [${classes}])"""
    logits = np.zeros((1, ${exits}, ${classes}), np.float32)
    for k, stage in enumerate(stages):
        x, logits[0, k] = stage(x)
        feeds = {"logits": logits, "lambda": np.array(lambda_, np.float32)}
        exit_now, probabilities = policy.run(["exit_now", "probabilities"], feeds)
        if exit_now[0, k]:
            return probabilities[0, k].argmax(), probabilities[0, k].max(), k + 1
\`\`\`

All pictures of an exit table at once, \`logits\` [N, ${exits}, ${classes}]: the exit that each takes (1 to ${exits}), and its answer.

\`\`\`python
exit_now, probabilities = policy.run(["exit_now", "probabilities"], {"logits": logits, "lambda": np.array(${formatLambda(lambda.recommended)}, np.float32)})
taken = exit_now.argmax(axis=1)
answers = probabilities[np.arange(len(logits)), taken].argmax(axis=1)
exits = taken + 1
\`\`\`

- \`logits\` float32 [B, ${exits}, ${classes}]: ${MEANINGS.logits}.
- \`lambda\` float32 scalar: ${MEANINGS.lambda} (${formatLambda(lambda.from)} to ${formatLambda(lambda.to)}).
- \`exit_now\` float32 [B, ${exits}]: ${MEANINGS.exit_now}.
- \`probabilities\` float32 [B, ${exits}, ${classes}]: ${MEANINGS.probabilities}.
`;
}
