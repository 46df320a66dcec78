/** User and password of a URL, whose signs may be escaped. */

/** What is wrong with them; null where nothing is. */
export function loginFault({ username, password }: URL): string | null {
  try {
    decodeURIComponent(username + "/" + password);
    return null;
  } catch {
    // It throws for this alone, and its error says no more.
    return "has a % in its user or password that no two hex digits follow: write it as %25";
  }
}
