/** Bodies of nodes: what they see of the graphs around them, and what they keep to themselves. */

import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { reduceSum, reshape } from "../../src/graph/broadcast.ts";
import { add, compare, exp, multiply, relu, scale } from "../../src/graph/elementwise.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { type Graph, ModelSchema } from "../../src/graph/onnx_pb.ts";
import { constant, input, node, nodes, scalar, type Tensor, variable } from "../../src/graph/tensor.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";

const x = input("x", [3]);
const weight = variable("weight", [3], Float32Array.of(10, 20, 30));

function when(condition: Tensor, yes: readonly Tensor[], no: readonly Tensor[]): Tensor[] {
  const isTrue = node("Cast", [reshape(condition, [1])], { to: 9 }, [1], "bool");
  return nodes("If", [isTrue], { then_branch: { graph: yes }, else_branch: { graph: no } }, yes);
}

const isPositive = compare(reduceSum(x), "Greater", scalar(0));

async function run(outputs: Record<string, Tensor>, values: readonly number[]) {
  const program = await Program.compile(createNodeRuntime({ threads: 1 }), { outputs });
  const results = await program.run({ x: Float32Array.from(values) });
  await program.close();
  return Object.fromEntries(Object.entries(results).map(([name, one]) => [name, [...one]]));
}

function graphOf(outputs: Record<string, Tensor>): { graph: Graph; operators: readonly string[] } {
  const { bytes, operators } = serialize({ outputs });
  return { graph: fromBinary(ModelSchema, bytes).graph!, operators };
}

function bodiesOf(graph: Graph): Graph[] {
  return graph.node.flatMap(({ attribute }) => attribute.flatMap(({ g }) => (g ? [g, ...bodiesOf(g)] : [])));
}

describe("a body", () => {
  test("sees outer values by name, and holds what nothing outside needs", async () => {
    const doubled = scale(x, 2); // outside
    const big = constant(Float32Array.from({ length: 3 }, (_, i) => i));
    const [y] = when(isPositive, [add(doubled, big)], [exp(add(doubled, scalar(1)))]) as [Tensor];
    const outputs = { doubled, y };
    expect((await run(outputs, [1, 2, 3])).y).toEqual([2, 5, 8]);
    const otherwise = (await run(outputs, [-1, -1, -1])).y!;
    for (const value of otherwise) expect(value).toBeCloseTo(Math.exp(-1), 6);
    const { graph, operators } = graphOf(outputs);
    expect(bodiesOf(graph).map((body) => body.node.map(({ opType }) => opType))).toEqual([["Add"], ["Add", "Exp"]]);
    expect(graph.node.some(({ opType }) => opType === "Exp")).toBe(false);
    expect(bodiesOf(graph).map(({ input: inputs }) => inputs.length)).toEqual([0, 0]);
    expect(operators).toContain("Exp");
    expect(operators).toEqual([...operators].sort());
  });

  test("may return an outer value, an input, a constant, or the same value twice", async () => {
    const outside = scale(x, 3);
    const same = relu(x);
    const results = when(isPositive, [outside, x, same, same], [scale(x, -1), constant([7, 8, 9]), x, x]);
    const outputs = { outside, ...Object.fromEntries(results.map((one, i) => [`y${i}`, one])) };
    expect(await run(outputs, [1, 2, 3])).toEqual({
      outside: [3, 6, 9],
      y0: [3, 6, 9],
      y1: [1, 2, 3],
      y2: [1, 2, 3],
      y3: [1, 2, 3],
    });
    expect(await run(outputs, [-1, -2, -3])).toMatchObject({ y0: [1, 2, 3], y1: [7, 8, 9], y3: [-1, -2, -3] });
  });

  test("does not lend its values: what is needed afterwards, or in the other body, is written again", async () => {
    const shared = multiply(exp(x), weight);
    const [y] = when(isPositive, [shared], [scale(shared, 2)]) as [Tensor];
    const outputs = { y, later: add(y, shared), shared };
    for (const values of [
      [0.5, 0, 0],
      [-0.5, 0, 0],
    ]) {
      const found = await run(outputs, values);
      const expected = [10 * Math.exp(values[0]!), 20, 30];
      const factor = values[0]! > 0 ? 1 : 2;
      expected.forEach((value, i) => {
        expect(found.shared![i]).toBeCloseTo(value, 4);
        expect(found.y![i]).toBeCloseTo(factor * value, 4);
        expect(found.later![i]).toBeCloseTo((factor + 1) * value, 4);
      });
    }
  });

  test("may hold bodies, which see all graphs around them; no name is given twice", async () => {
    const outer = scale(x, 2);
    const middle = add(outer, scalar(5));
    const [inner] = when(
      compare(reduceSum(middle), "Greater", scalar(0)),
      [add(middle, outer)],
      [multiply(weight, x)],
    ) as [Tensor];
    const [y] = when(isPositive, [outer], [add(inner, middle)]) as [Tensor];
    const outputs = { y, outer };
    expect((await run(outputs, [1, 1, 1])).y).toEqual([2, 2, 2]);
    expect((await run(outputs, [-1, -1, -1])).y).toEqual([4, 4, 4]); // (-2 + 5 - 2) + 3
    expect((await run(outputs, [-4, -4, -4])).y).toEqual([-43, -83, -123]); // 10 * -4 - 3
    const { graph } = graphOf(outputs);
    const all = [graph, ...bodiesOf(graph)];
    expect(all).toHaveLength(5);
    const names = all.flatMap((one) => [
      ...one.node.flatMap(({ output }) => output),
      ...one.initializer.map(({ name }) => name!),
      ...one.input.map(({ name }) => name!),
    ]);
    expect(new Set(names).size).toBe(names.length);
    expect(graph.input.map(({ name }) => name).sort()).toEqual(["weight", "x"]); // also what only a body reads
  });
});

test("a file carries its metadata", () => {
  const { bytes } = serialize({ outputs: { y: exp(x) }, metadata: { license: "MIT", classes: '["a"]' } });
  expect(fromBinary(ModelSchema, bytes).metadataProps.map(({ key, value }) => [key, value])).toEqual([
    ["license", "MIT"],
    ["classes", '["a"]'],
  ]);
});
