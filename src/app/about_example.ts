// What an example says of itself. Apart from the rest, as it needs no page.

/** The first sentence of the comment at the top, up to an indented line, which is a command. */
export function aboutExample(text: string): string {
  const lines = /^(#.*\n)*/.exec(text)![0].split("\n").map((line) => line.replace(/^# ?/, ""));
  const command = lines.findIndex((line) => /^\s/.test(line));
  const prose = lines.slice(0, command < 0 ? undefined : command).join(" ").trim();
  const sentence = /^.*?(?=\.(?:\s|$)|:$|$)/.exec(prose)![0];
  return sentence && `${sentence}.`;
}
