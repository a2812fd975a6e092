/** What is shipped for operation keeps its promises: read as the programs that run it read it. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const read = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

test("the Dockerfile ends as a user that is not root, with a health check, and pins what it starts from", () => {
  const lines = read("Dockerfile")
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line && !line.startsWith("#"));
  const known = /^(FROM|WORKDIR|COPY|RUN|ENV|USER|EXPOSE|HEALTHCHECK|ENTRYPOINT|CMD) \S/;
  expect(lines.filter((line) => !known.test(line))).toEqual([]);
  const of = (instruction: string): string[] => lines.filter((line) => line.startsWith(`${instruction} `));
  expect(of("USER").at(-1)).toBe("USER node");
  expect(of("HEALTHCHECK")[0]).toContain("/readyz");
  for (const from of of("FROM")) expect(from).toMatch(/:\d+\.\d+/);
  for (const line of [...of("ENTRYPOINT"), ...of("CMD")])
    expect(z.array(z.string()).safeParse(JSON.parse(line.slice(line.indexOf("[")))).success).toBe(true);
  expect(lines.indexOf("USER node")).toBeGreaterThan(lines.findLastIndex((line) => line.startsWith("RUN ")));
});

const serviceSchema = z.looseObject({
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  secrets: z.array(z.string()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
});

test("compose: two services and a proxy that write nothing and may nothing; only the proxy can be reached", () => {
  const text = read("compose.yaml");
  const { services, secrets } = z
    .object({ services: z.record(z.string(), serviceSchema), secrets: z.record(z.string(), z.unknown()) })
    .parse(parse(text, { merge: true }));
  expect(Object.keys(services)).toEqual(["proxy", "serve-1", "serve-2", "database"]);
  for (const name of ["proxy", "serve-1", "serve-2"])
    expect(services[name]).toMatchObject({ read_only: true, cap_drop: ["ALL"] });
  expect(Object.entries(services).filter(([, { ports }]) => ports)).toMatchObject([
    ["proxy", { ports: ["127.0.0.1:8080:8080"] }],
  ]);
  for (const { secrets: used = [], depends_on = {} } of Object.values(services)) {
    for (const one of used) expect(Object.keys(secrets)).toContain(one);
    for (const one of Object.keys(depends_on)) expect(Object.keys(services)).toContain(one);
  }
  const upstreams = [...read("nginx.conf").matchAll(/server (serve-\d):8080/g)].map(([, name]) => name);
  expect(upstreams).toEqual(["serve-1", "serve-2"]);
});
