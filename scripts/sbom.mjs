// What both packages bring along: sbom.cdx.json (CycloneDX), and whether every licence is one that was looked at. npm run sbom
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const FILE = "sbom.cdx.json";
/** sharp links libvips dynamically, from a package of its own: what the LGPL asks for. */
const ALLOWED = [
  ...["MIT", "ISC", "Apache-2.0", "BSD-3-Clause", "BSD-2-Clause", "BlueOak-1.0.0", "0BSD"],
  ...["LGPL-3.0-or-later", "(MIT OR CC0-1.0)", "(Apache-2.0 AND BSD-3-Clause)"],
];
/** Packages that name no licence in package.json, and the one in their LICENSE file. */
const UNNAMED = { "png-js 2.0.0": "MIT" };

const text = execFileSync("npm", ["sbom", "--sbom-format=cyclonedx", "--omit=dev"], {
  cwd: root,
  encoding: "utf8",
  maxBuffer: 2 ** 28,
  shell: process.platform === "win32",
});
const { components } = JSON.parse(text);
const named = components.map(({ name, version, licenses = [] }) => ({
  name: `${name} ${version}`,
  licence:
    licenses.map(({ license, expression }) => expression ?? license.id ?? license.name).join(" AND ") ||
    UNNAMED[`${name} ${version}`],
}));
const foreign = named.filter(({ licence }) => !ALLOWED.includes(licence));
if (foreign.length > 0) {
  const found = foreign.map(({ name, licence }) => `${name}: ${licence || "none"}`).join("; ");
  console.error(
    `sbom: licences among ${ALLOWED.join(", ")} expected, found ${found}; look at them, then add them here`,
  );
  process.exit(1);
}
writeFileSync(root + FILE, text);
console.log(
  `${FILE}: ${components.length} packages, every licence among ${new Set(named.map((one) => one.licence)).size} that were looked at`,
);
