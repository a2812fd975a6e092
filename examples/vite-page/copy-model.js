// The model as files that the page can fetch; yours is copied in the same way.
import { cpSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const model = dirname(fileURLToPath(import.meta.resolve("earlyexit/models/cifar10/model.json")));
cpSync(model, "public/model", { recursive: true });
