/** The Open Inference Protocol, version 2, so that clients of KServe, Triton and Seldon work unchanged. */
import { pictureOf, VERSION } from "earlyexit";
import type { FastifyInstance } from "fastify";
import type { Deployment } from "./deployment.ts";
import { encodeOutputs, type OutputTensor, picturesOf, splitBody } from "./infer-tensors.ts";
import { RequestMistake } from "./request-mistake.ts";
import type { Served } from "./request-queue.ts";
import { ask, clientSignal, deploymentOf, type Service } from "./service.ts";

type Named = { Params: { name: string } };

export function inferRoutes(app: FastifyInstance, service: Service): void {
  const { isReady } = service;
  app.get("/v2", async () => ({ name: "earlyexit", version: VERSION, extensions: ["binary_tensor_data"] }));
  app.get("/v2/health/live", async () => ({ live: true }));
  app.get("/v2/health/ready", async (_, reply) => reply.code(isReady() ? 200 : 503).send({ ready: isReady() }));
  app.get<Named>("/v2/models/:name", async ({ params }) => describe(deploymentOf(service, params.name)));
  app.get<Named>("/v2/models/:name/ready", async ({ params }, reply) => {
    const ready = isReady() && deploymentOf(service, params.name).workerIds.length > 0;
    return reply.code(ready ? 200 : 503).send({ name: params.name, ready });
  });
  app.post<Named>("/v2/models/:name/infer", async (request, reply) => {
    const deployment = deploymentOf(service, request.params.name);
    const signal = clientSignal(request, reply);
    const head = request.headers["inference-header-content-length"];
    const { request: wanted, raw } = splitBody(request.body, head === undefined ? null : Number(head));
    const pictures = picturesOf(wanted, raw, pictureOf(deployment.model.network).shape);
    const lambda = wanted.parameters?.lambda;
    if (lambda !== undefined && typeof lambda !== "number") throw new RequestMistake("lambda: a number expected");
    const wish = { signal, ...(lambda === undefined ? {} : { lambda }) };
    const served = await Promise.all(pictures.map((picture) => ask(service, deployment, { ...wish, picture })));
    const names = wanted.outputs?.map(({ name }) => name);
    const outputs = outputsOf(served, deployment).filter(({ name }) => !names || names.includes(name));
    const about = {
      model_name: deployment.name,
      model_version: deployment.version,
      ...(wanted.id ? { id: wanted.id } : {}),
    };
    const { body, headLength } = encodeOutputs(about, outputs, wanted);
    if (headLength === null) return reply.type("application/json").send(body);
    return reply.type("application/octet-stream").header("inference-header-content-length", headLength).send(body);
  });
}

function describe({ name, version, model }: Deployment) {
  const { shape } = pictureOf(model.network);
  const outputs = outputsOf([], { model } as Deployment).map(({ name, datatype, shape }) => ({
    name,
    datatype,
    shape: [-1, ...shape.slice(1)],
  }));
  return {
    name,
    versions: [version],
    platform: "earlyexit_onnxruntime",
    inputs: [
      { name: "pictures", datatype: "BYTES", shape: [-1] },
      { name: "pixels", datatype: "UINT8", shape: [-1, ...shape] },
      { name: "tensor", datatype: "FP32", shape: [-1, ...shape] },
    ],
    outputs,
  };
}

/** class [N], probabilities [N, K], exit [N] (1 is the first), cost_macs [N] */
function outputsOf(served: readonly Served[], { model }: Pick<Deployment, "model">): OutputTensor[] {
  const [count, classes] = [served.length, model.network.classes.length];
  const column = (name: string, datatype: "INT64" | "FP32", of: (one: Served["answer"]) => number): OutputTensor => ({
    name,
    datatype,
    shape: [count],
    data: served.map(({ answer }) => of(answer)),
  });
  return [
    column("class", "INT64", ({ classIndex }) => classIndex),
    {
      name: "probabilities",
      datatype: "FP32",
      shape: [count, classes],
      data: served.flatMap(({ answer }) => Array.from(answer.probabilities)),
    },
    column("exit", "INT64", ({ exit }) => exit),
    column("cost_macs", "FP32", ({ costMacs }) => costMacs),
  ];
}
