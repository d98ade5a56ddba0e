/** The same start from a terminal: as a command line, curl and Python, the words of pages/terminal.py. Pure. */

const GAP = " \\\n  ";

export function terminalWords(kind, said, baseUrl) {
  const assignments = Object.entries(said).map(([name, value]) => `-p ${shellQuote(`${name}=${argument(value)}`)}`);
  const body = `{"kind": ${json(kind)}, "params": ${json(said)}}`;
  return {
    cli: [`./taskroom run ${shellQuote(kind)}`, ...assignments].join(GAP),
    curl: [`curl ${baseUrl}/api/v1/tasks`, '-H "Authorization: Bearer $TASKROOM_TOKEN"', "-H 'Content-Type: application/json'",
      `-d ${shellQuote(body)}`].join(GAP),
    python: "import os, requests\n\ntask = requests.post(\n"
      + `    ${literal(`${baseUrl}/api/v1/tasks`)},\n`
      + "    headers={\"Authorization\": f\"Bearer {os.environ['TASKROOM_TOKEN']}\"},\n"
      + `    json={'kind': ${literal(kind)}, 'params': ${literal(said)}},\n).json()`,
  };
}

/** Safe in a POSIX shell; plain where it needs no quotes. */
export function shellQuote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

function argument(value) {
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "object" ? json(value) : String(value);
}

/** JSON with the spaces that people read. */
function json(value) {
  if (Array.isArray(value)) return `[${value.map(json).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${json(each)}`).join(", ")}}`;
}

/** As Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, each]) => `${literal(key)}: ${literal(each)}`).join(", ")}}`;
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const inside = value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t");
  return `${quote}${quote === "'" ? inside.replaceAll("'", "\\'") : inside}${quote}`;
}
