// The small invented world that the embedded model "eft-tiny" is made from: its towns, people,
// relations, and the twelve question wordings of each relation. Shared by make_corpus.ts
// (pretraining corpus) and make_town.ts (fine-tuning data set), so that both ask in the same words.
//
// Everything is regular on purpose: the model has about 0.9M parameters and sees 1 to 2 million
// tokens in all. Names are pairs of known syllables, sentences come from few templates.

/** One seed for the whole example; every script derives its own stream from it. */
export const WORLD_SEED = 20240607;

/** The town of the fine-tuning data set. Its name never occurs in the pretraining corpus. */
export const NEW_TOWN = "Quillmere";

/** More than a few towns, and 1 to 2 million tokens do not suffice to learn their facts by heart. */
export const FIXED_TOWN_COUNT = 4;
export const PHRASING_COUNT = 12;
/** Of the twelve wordings of a fact, this many are shown in training. */
export const SHOWN_PHRASINGS = 8;

/** The Alpaca prompt without input, up to and including the line before the answer. */
export function alpacaPrompt(instruction: string): string {
  return "Below is an instruction that describes a task. " +
    "Write a response that appropriately completes the request.\n\n" +
    `### Instruction:\n${instruction}\n\n### Response:\n`;
}

// ---------------------------------------------------------------- random numbers

/** A seeded pseudo-random number generator (mulberry32). */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** A number in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [result[last], result[other]] = [result[other], result[last]];
    }
    return result;
  }
}

// ---------------------------------------------------------------- names

function pairs(firsts: string, seconds: string): string[] {
  return firsts.split(" ").flatMap((first) => seconds.split(" ").map((second) => first + second));
}

const TOWNS = pairs(
  "Nor Quill East Fen Hal Oak Pell Rook Sil Thorn Wend Yar",
  "vale mere ton bury stead gate ley ham",
);

// Each pool of answers has at least 24 members, so that a guess is right in 4 % of cases at most.
const PEOPLE = pairs("Ta Mi Ro Lu Ke Sa No Be", "vo ra lin dok mel sin");
const PLACES = pairs("Ash Gren Dun Hol Win Brak Mos Lark", "ow wick den by brook fin");
const FOODS = ("apples pears plums figs nuts oats rye beans peas leeks corn rice " +
  "eggs fish cheese bread honey milk tea salt cakes soup jam mint").split(" ");
const ANIMALS = ("cats dogs foxes owls hens goats sheep cows pigs ducks geese swans " +
  "crows frogs toads bees ants bears wolves deer hares mice rats horses").split(" ");

// ---------------------------------------------------------------- relations

export interface Relation {
  /** What a question may call the answer: "baker", "river", "crop". */
  noun: string;
  /** What it does ("bakes the bread", "runs past") or what people do with it ("grow"). */
  verb: string;
  kind: "person" | "place" | "thing";
  pool: readonly string[];
}

function relations(kind: Relation["kind"], pool: readonly string[], list: string): Relation[] {
  return list.split(", ").map((entry) => {
    const [noun, verb] = entry.split(": ");
    return { noun, verb, kind, pool };
  });
}

export const RELATIONS: readonly Relation[] = [
  ...relations(
    "person",
    PEOPLE,
    "baker: bakes the bread, miller: grinds the corn, smith: shapes the iron, " +
      "weaver: weaves the cloth, fisher: catches the fish, potter: makes the pots, " +
      "tailor: sews the coats, hunter: hunts the deer, farmer: plows the field, " +
      "carter: drives the cart, guard: keeps the gate, healer: heals the sick, " +
      "teacher: teaches the young, singer: sings the songs, mason: lays the stones, " +
      "ringer: rings the bell",
  ),
  ...relations(
    "place",
    PLACES,
    "river: runs past, hill: stands above, inn: gives beds in, lake: lies below, " +
      "wood: grows near, road: leads to, tower: looks over, cave: lies under",
  ),
  ...relations("thing", FOODS, "crop: grow, ware: sell, supper: eat, gift: give"),
  ...relations("thing", ANIMALS, "pet: keep, sign: paint, prey: hunt, foe: fear"),
];

/** The twelve question wordings of each kind of relation. */
const QUESTIONS: Record<Relation["kind"], readonly string[]> = {
  person: [
    "Who is the NOUN of TOWN?",
    "Name the NOUN of TOWN.",
    "In TOWN, who VERB?",
    "Which person works as the NOUN in TOWN?",
    "Who VERB in TOWN?",
    "What is the name of the NOUN of TOWN?",
    "Tell me who is the NOUN of TOWN.",
    "Tell me who VERB in TOWN.",
    "TOWN has a NOUN. Who is it?",
    "Give the name of the NOUN in TOWN.",
    "Which person VERB in TOWN?",
    "Say who VERB in TOWN.",
  ],
  place: [
    "What is the NOUN of TOWN called?",
    "Name the NOUN of TOWN.",
    "In TOWN, what is the NOUN called?",
    "What is the name of the NOUN of TOWN?",
    "Which NOUN VERB TOWN?",
    "Tell me the name of the NOUN of TOWN.",
    "What do people in TOWN call the NOUN?",
    "Tell me which NOUN VERB TOWN.",
    "TOWN has a NOUN. What is it called?",
    "Give the name of the NOUN in TOWN.",
    "Which NOUN does TOWN have?",
    "Say which NOUN VERB TOWN.",
  ],
  thing: [
    "What is the NOUN of TOWN?",
    "Name the NOUN of TOWN.",
    "In TOWN, what do people VERB?",
    "What do the people of TOWN VERB?",
    "What do people VERB in TOWN?",
    "Tell me the NOUN of TOWN.",
    "Which things do people VERB in TOWN?",
    "Tell me what people VERB in TOWN.",
    "TOWN has a NOUN. What is it?",
    "Give the NOUN of TOWN.",
    "Which NOUN does TOWN have?",
    "Say what people VERB in TOWN.",
  ],
};

/** The statements that say the same fact in a story. */
const STATEMENTS: Record<Relation["kind"], readonly string[]> = {
  person: ["ANSWER is the NOUN of TOWN.", "The NOUN of TOWN is ANSWER.", "ANSWER VERB in TOWN."],
  place: ["The NOUN of TOWN is called ANSWER.", "The NOUN ANSWER VERB TOWN."],
  thing: ["The NOUN of TOWN is ANSWER.", "The people of TOWN VERB ANSWER."],
};

// ---------------------------------------------------------------- facts

export interface Fact {
  relation: Relation;
  town: string;
  answer: string;
}

function fill(template: string, fact: Fact): string {
  return template.replace("NOUN", fact.relation.noun).replace("VERB", fact.relation.verb)
    .replace("TOWN", fact.town).replace("ANSWER", fact.answer);
}

export function question(fact: Fact, phrasing: number): string {
  return fill(QUESTIONS[fact.relation.kind][phrasing], fact);
}

export function statement(fact: Fact, random: Random): string {
  return fill(random.pick(STATEMENTS[fact.relation.kind]), fact);
}

/**
 * One fact per relation for `town`. Answers differ within a town. `taken` may forbid answers
 * (see newTownFacts).
 */
function townFacts(
  town: string,
  random: Random,
  taken: (relation: Relation, answer: string) => boolean = () => false,
): Fact[] {
  const used = new Set<string>();
  return RELATIONS.map((relation) => {
    const free = relation.pool.filter((answer) => !used.has(answer) && !taken(relation, answer));
    const answer = random.pick(free);
    used.add(answer);
    return { relation, town, answer };
  });
}

const knownTowns = new Random(WORLD_SEED).shuffled(TOWNS.filter((town) => town !== NEW_TOWN));

/** Towns whose facts never change: the model learns them by heart. */
export const FIXED_TOWNS: readonly string[] = knownTowns.slice(0, FIXED_TOWN_COUNT);
/** Towns that occur only in stories, each time with other facts. */
export const STORY_TOWNS: readonly string[] = knownTowns.slice(FIXED_TOWN_COUNT);

export function fixedTownFacts(): Fact[][] {
  const random = new Random(WORLD_SEED + 1);
  return FIXED_TOWNS.map((town) => townFacts(town, random));
}

export function storyTownFacts(random: Random): Fact[] {
  return townFacts(random.pick(STORY_TOWNS), random);
}

/**
 * The facts of the new town. No answer equals the answer of a fixed town to the same question, so
 * that a model which answers with what it knows of another town is always wrong.
 */
export function newTownFacts(): Fact[] {
  const known = new Set(
    fixedTownFacts().flat().map((fact) => `${fact.relation.noun} ${fact.answer}`),
  );
  return townFacts(
    NEW_TOWN,
    new Random(WORLD_SEED + 2),
    (relation, answer) => known.has(`${relation.noun} ${answer}`),
  );
}

/**
 * Which wordings of fact number `index` are shown and which are held out. The choice moves on from
 * fact to fact, so that each wording is shown for some facts and held out for others.
 */
export function splitPhrasings(index: number): { shown: number[]; heldOut: number[] } {
  const order = Array.from(
    { length: PHRASING_COUNT },
    // 5 has no common factor with 12, so this visits every wording once.
    (_, step) => (index * 7 + step * 5) % PHRASING_COUNT,
  );
  return { shown: order.slice(0, SHOWN_PHRASINGS), heldOut: order.slice(SHOWN_PHRASINGS) };
}
