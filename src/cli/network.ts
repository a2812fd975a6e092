import { Command, Option } from "@commander-js/extra-typings";
import { blueprintNames } from "../network/blueprints.ts";
import { blueprintStages, checkBlueprint, networkCost } from "../network/cost.ts";
import { formatCount, formatMillions } from "../report/format.ts";
import { formatTable } from "../report/table.ts";
import { jsonOption, number } from "./options.ts";
import { resolveBlueprint } from "./run-config.ts";

export function networkCommand() {
  const command = new Command("network").description("Look at network blueprints.");
  command
    .command("info")
    .description("What each exit costs.")
    .argument("<name>", `${blueprintNames.join(", ")} or a JSON file`)
    .addOption(
      new Option("--classes <n>", "classes to tell apart").default(10).argParser(number("classes", 2, 65536, true)),
    )
    .addOption(jsonOption())
    .action(async (name, flags) => {
      const blueprint = await resolveBlueprint(name);
      checkBlueprint(blueprint, flags.classes);
      const cost = networkCost(blueprintStages(blueprint, flags.classes));
      if (flags.json) {
        process.stdout.write(`${JSON.stringify(cost, null, 2)}\n`);
        return;
      }
      const columns = ["exit", "M MACs", "backbone alone", "parameters", "bytes"].map((title) => ({ title }));
      const rows = cost.exitMacs.map((macs, k) => [
        String(k + 1),
        formatMillions(macs),
        formatMillions(cost.backboneMacs[k]!),
        formatCount(cost.parameters[k]!),
        formatCount(cost.bytes[k]!),
      ]);
      process.stdout.write(
        `${formatTable(columns, rows)}\nfull network (backbone and last head alone): ${formatMillions(cost.fullMacs)} M MACs\n`,
      );
    });
  return command;
}
