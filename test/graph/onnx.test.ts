import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { batchNorm } from "../../src/graph/batchnorm.ts";
import { expand, reduceSum, reshape } from "../../src/graph/broadcast.ts";
import { conv2d } from "../../src/graph/conv.ts";
import { dropout } from "../../src/graph/dropout.ts";
import { add, compare, exp, gelu, log, maximum, multiply, relu, silu, sqrt } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import * as inference from "../../src/graph/inference.ts";
import { concat, slice, transpose } from "../../src/graph/layout.ts";
import { linear } from "../../src/graph/linear.ts";
import { accuracy, crossEntropy, huber, softmax } from "../../src/graph/loss.ts";
import { type GraphDefinition, nextName, serialize } from "../../src/graph/onnx.ts";
import { ModelSchema } from "../../src/graph/onnx_pb.ts";
import { clipByGlobalNorm, sgd } from "../../src/graph/optimizer.ts";
import { batchLast } from "../../src/graph/plane.ts";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "../../src/graph/pool.ts";
import { reduceMean } from "../../src/graph/reduce.ts";
import { constant, input, type Shape, scalar, sizeOf, type Variable, variable } from "../../src/graph/tensor.ts";
import { seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import { anywhere, expectClose } from "./check.ts";
import { STANDARD_OPERATORS } from "./operators.ts";

function parameter(name: string, shape: Shape): Variable {
  return variable(name, shape, anywhere(seededRandom(name.length, sizeOf(shape)), sizeOf(shape)));
}

/** Training of a small network that uses every operator of `src/graph` but those for inference. */
function trainingStep(): GraphDefinition {
  const [images, targets, rate] = [input("x", [2, 3, 8, 8]), input("targets", [2, 4]), input("rate", [])];
  const parameters = [parameter("conv1", [4, 3, 3, 3]), parameter("gamma", [4]), parameter("beta", [4])];
  const [conv1, gamma, beta] = parameters as [Variable, Variable, Variable];
  const depthwise = parameter("depthwise", [4, 1, 3, 3]);
  const pointwise = parameter("pointwise", [4, 4, 1, 1]);
  const head = parameter("head", [4, 19]);
  const normalized = batchNorm(conv2d(batchLast(images), conv1), gamma, beta);
  const first = maxPool(relu(normalized.y)); // [4, 4, 4, 2]
  const second = gelu(conv2d(first, depthwise, { stride: 2, groups: 4 })); // [2, 2, 4, 2]
  const third = averagePool(silu(conv2d(second, pointwise))); // [1, 1, 4, 2]
  const some = slice(globalMaxPool(second), 1, 1, 4);
  const features = concat(
    [
      transpose(reshape(third, [4, 2]), [1, 0]),
      globalAveragePool(second),
      globalMaxPool(first),
      some,
      sqrt(log(exp(exp(globalMaxPool(second))))),
    ],
    1,
  );
  const logits = linear(dropout(features, 0.1, "coins"), head);
  const loss = add(crossEntropy(logits, targets, 0.1), reduceMean(huber(logits)));
  const trained = [...parameters, depthwise, pointwise, head];
  const { clipped, norm } = clipByGlobalNorm(gradients(loss, trained), 1);
  const positives = reduceSum(compare(maximum(logits, scalar(-100)), "Greater", scalar(0)));
  const negatives = reduceSum(compare(logits, "Less", scalar(0)));
  const zeros = reduceSum(compare(logits, "Equal", scalar(0)));
  return {
    outputs: { loss, norm, accuracy: accuracy(logits, targets), positives, negatives, zeros, oldGamma: gamma },
    updates: sgd(
      trained.map((one, i) => ({ parameter: one, gradient: clipped[i]!, decay: 1e-4 })),
      rate,
    ),
  };
}

/** A network as it is used, with every operator for inference, written down with a batch of 2; rows are computed each on its own. */
function classifier(): GraphDefinition {
  const x = input("x", [2, 3, 6, 6]);
  const statistics = [parameter("gamma", [4]), parameter("beta", [4]), parameter("mean", [4])] as const;
  const variance = constant([0.5, 1, 2, 3]);
  const convolved = inference.conv2d(x, parameter("conv", [4, 3, 3, 3]));
  const features = inference.maxPool(relu(inference.batchNorm(convolved, ...statistics, variance))); // [B, 4, 3, 3]
  const pooled = inference.globalAveragePool(features); // [B, 4]
  const logits = linear(
    concat([pooled, inference.globalMaxPool(features)], 1),
    parameter("head", [5, 8]),
    parameter("bias", [5]),
  );
  const probabilities = softmax(logits);
  const confidence = reduceSum(multiply(probabilities, probabilities), [1], true); // [B, 1]
  return {
    anyBatch: true,
    outputs: {
      probabilities,
      confidence: reshape(confidence, [2]),
      repeated: expand(confidence, [2, 3]),
      flat: reshape(transpose(features, [0, 2, 3, 1]), [2, 36]),
      means: reshape(inference.averagePool(features, 3), [2, 4]),
      scaled: multiply(pooled, input("factor", [])),
    },
  };
}

describe("a training step with every operator of src/graph", () => {
  const { bytes, operators, inputs, variables } = serialize(trainingStep());
  const model = fromBinary(ModelSchema, bytes);
  const nodes = model.graph!.node;

  test("is made of the agreed operators, listed once each and sorted; with those for inference it needs all of them", () => {
    const both = new Set([...operators, ...serialize(classifier()).operators]);
    expect([...both].sort()).toEqual(STANDARD_OPERATORS);
    expect(operators).toEqual([...new Set(nodes.map((node) => node.opType!))].sort());
  });

  test("asks for nothing but opset 20 of the standard", () => {
    expect(model.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([["", 20n]]);
  });

  test("names what it reads, what it returns and what it changes", () => {
    const names = inputs.map((one) => (one.source.kind === "input" ? one.source.name : one.source.kind));
    expect(names.sort()).toEqual(["coins", "rate", "targets", "x"]);
    expect(variables.map(({ source }) => source.name).filter((name) => !name.includes("."))).toHaveLength(6);
    const read = [...inputs, ...variables].length;
    expect(model.graph!.input).toHaveLength(read);
    const written = model.graph!.output.map(({ name }) => name);
    expect(written.slice(0, 7)).toEqual(["loss", "norm", "accuracy", "positives", "negatives", "zeros", "oldGamma"]);
    expect(written.slice(7).sort()).toEqual(variables.map(nextName).sort());
  });

  test("writes every node once, after the nodes that it needs", () => {
    const known = new Set([
      ...model.graph!.input.map(({ name }) => name),
      ...model.graph!.initializer.map(({ name }) => name),
    ]);
    for (const node of nodes) {
      expect(node.input.filter((name) => name !== "" && !known.has(name))).toEqual([]); // "" is one left out
      for (const name of node.output) {
        expect(known.has(name)).toBe(false);
        known.add(name);
      }
    }
  });

  test("is the same, byte for byte, when it is written again", () => {
    expect(serialize(trainingStep()).bytes).toEqual(bytes);
  });
});

test("equal small constants are stored once, constants of another shape or value are not", () => {
  const x = input("x", [2]);
  const sum = [scalar(2), scalar(2), constant([2]), constant([2, 3]), constant([2, 3])].reduce(add, x);
  const model = fromBinary(ModelSchema, serialize({ outputs: { sum } }).bytes);
  expect(model.graph!.initializer.map(({ dims }) => dims.map(Number))).toEqual([[], [1], [2]]);
});

describe("names that two things share are refused", () => {
  const w = variable("w", [2], new Float32Array(2));
  const next = add(w, scalar(1));
  const cases: readonly (readonly [string, string, GraphDefinition])[] = [
    ["two inputs", "x", { outputs: { y: add(input("x", [2]), input("x", [2])) } }],
    ["an input and a variable", "w", { outputs: { y: add(input("w", [2]), w) } }],
    ["two variables", "w", { outputs: { y: add(w, variable("w", [2], new Float32Array(2))) } }],
    ["an input and a random input", "x", { outputs: { y: dropout(input("x", [2]), 0.5, "x") } }],
    ["an input and an output", "x", { outputs: { x: exp(input("x", [2])) } }],
    [
      "two variables that are only written",
      "w",
      {
        outputs: {},
        updates: [
          { variable: w, next: scalar(0) },
          { variable: variable("w", [], new Float32Array(1)), next: scalar(1) },
        ],
      },
    ],
    [
      "two updates of one variable",
      "next:w",
      {
        outputs: {},
        updates: [
          { variable: w, next },
          { variable: w, next },
        ],
      },
    ],
  ];

  test.each(cases)("%s called %s", (_, name, definition) => {
    expect(() => serialize(definition)).toThrow(
      new RangeError(`graph: one input, variable or output called ${name} expected, found two; rename one`),
    );
  });

  test("one input used in many places is one input", () => {
    const x = input("x", [2]);
    expect(serialize({ outputs: { y: multiply(x, exp(x)), z: x } }).inputs).toEqual([x]);
  });
});

describe("anyBatch", () => {
  const perImage = { probabilities: 5, confidence: 1, repeated: 3, flat: 36, means: 4, scaled: 4 };
  const values = anywhere(seededRandom(4), 5 * 108);
  const factor = Float32Array.of(-2);

  test.each([1, 2, 5])("a batch of %i gives what its images give one by one", async (batch) => {
    const program = await Program.compile(createNodeRuntime({ threads: 1 }), classifier());
    const together = await program.run({ x: values.subarray(0, batch * 108), factor });
    for (let image = 0; image < batch; image++) {
      const alone = await program.run({ x: values.subarray(image * 108, (image + 1) * 108), factor });
      for (const [name, size] of Object.entries(perImage)) {
        expect(together[name]).toHaveLength(batch * size);
        // Another batch size may add up in another order.
        expectClose(together[name]!.subarray(image * size, (image + 1) * size), alone[name]!, 1e-6, name);
      }
    }
    expect(new Set(together.flat).size).toBeGreaterThan(2);
    await program.close();
  });

  test("the outputs of one run survive the next", async () => {
    const program = await Program.compile(createNodeRuntime({ threads: 1 }), classifier());
    const first = (await program.run({ x: values.subarray(0, 108), factor })).probabilities!;
    const copy = first.slice();
    await program.run({ x: values.subarray(108, 216), factor });
    expect(first).toEqual(copy);
    await program.close();
  });

  test("changes no variables: their sizes do not follow the batch", () => {
    const w = variable("w", [2], new Float32Array(2));
    const definition = { anyBatch: true, outputs: {}, updates: [{ variable: w, next: exp(w) }] };
    expect(() => serialize(definition)).toThrow(new RangeError("graph: no updates expected with anyBatch, found 1"));
  });
});
