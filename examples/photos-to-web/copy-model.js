// What a page needs of the model that `npm run train` made (or of another: MODEL=folder).
import { cpSync, existsSync, readdirSync } from "node:fs";

const from = process.env.MODEL ?? "model";
if (!existsSync(`${from}/model.json`)) {
  console.error(`${from}/: a trained model expected, found none; put photographs into photos/ and run 'npm run train'`);
  process.exit(2);
}
const needed = readdirSync(from).filter((name) => /^(model\.json|(network|heads|policy)\.)/.test(name));
for (const name of needed) cpSync(`${from}/${name}`, `public/model/${name}`);
