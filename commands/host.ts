/** The name of this machine, by which workers tell where they run. */

/** Empty where this process may not ask. */
export function hostName(): string {
  try {
    return Deno.hostname();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return "";
    throw error;
  }
}
