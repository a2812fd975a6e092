import { builtInRecipe, type Recipe } from "../src/training/recipe.ts";

/** The recipe that a network is benchmarked with: its own. */
export function recipeFor(network: string): Recipe {
  return builtInRecipe(network === "classic" ? "published" : "standard");
}
