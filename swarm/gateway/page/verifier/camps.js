/**
 * Whom to trust as a judge, from a table of agreement: two camps or one, and each judge's weight. What the
 * numbers of a standing mean is defined by the texts of ranking/reputation.py and ranking/camps.py; this is
 * another writing of the latter. All values are BigInts: Q16 where nothing else is said.
 */

import { clamp, compareIntegers, floorDivide, squareRoot, sum } from "./integers.js";

export const ONE = 1n << 16n;
export const WEIGHT_MAX = 2n * ONE;

const SPLIT_CLEAR_Q8 = 307n;
const FIT_PASSES = 8;
const LOADING_MAX = (ONE * 9n) / 10n;
const LOADING_MIN = ONE / 50n;
const PRIOR_COUNT = 64n * ONE;
const DOUBTFUL_Q8 = 640n;
const GOLD_GAP_Q8 = 768n;
const CLIMB_FLIPS = 4; // a judge

/**
 * @typedef {object} Agreement One memory's table, by place.
 * @property {bigint[][]} sums Sums of products of net votes, symmetric.
 * @property {bigint[][]} counts Numbers of products, symmetric.
 * @property {bigint[]} gold Sums of products with the truth.
 * @property {bigint[]} goldCounts Numbers of products with the truth.
 */

/**
 * @typedef {object} Trust
 * @property {boolean[]} reference Who is of the reference camp.
 * @property {boolean[]} outside Who is clearly of the other one.
 * @property {bigint[]} weights 0..2; the reference's median is 1.
 */

/**
 * @param {Agreement} table Of at least one judge.
 * @param {bigint[]} heads What each judge counts for where the larger camp is sought.
 * @param {bigint} splitMinQ8 Least split that makes two camps.
 * @returns {Trust | null} Null where the reference would be empty, which no rounds lead to.
 */
export function computeTrust(table, heads, splitMinQ8) {
  const everyone = heads.map(() => true);
  const signs = split(table);
  let loadings = fitLoadings(table, everyone);
  const splitQ8 = computeSplit(table, signs, loadings);
  let reference = everyone;
  if (splitQ8 >= splitMinQ8) {
    reference = chooseReference(table, signs, heads, splitQ8);
    loadings = fitLoadings(table, reference);
  }
  const members = loadings.filter((_, place) => reference[place]).sort(compareIntegers);
  if (members.length === 0) return null;
  const others = reference.map((isMember) => !isMember);
  const median = clamp(members[(members.length - 1) >> 1], LOADING_MIN, LOADING_MAX);
  return {
    reference,
    outside: others.map(
      (isOther, place) => isOther && computePreference(table, place, others, reference) >= DOUBTFUL_Q8,
    ),
    weights: loadings.map((loading) => clamp(floorDivide(loading << 16n, median), 0n, WEIGHT_MAX)),
  };
}

/**
 * @param {readonly bigint[]} left
 * @param {readonly bigint[]} right
 * @returns {bigint} Sum of products, place by place.
 */
function multiply(left, right) {
  let total = 0n;
  for (let place = 0; place < left.length; place += 1) total += left[place] * right[place];
  return total;
}

/**
 * @param {readonly boolean[]} camp
 * @returns {number[]} Places of its members, ascending.
 */
function listMembers(camp) {
  return camp.flatMap((isMember, place) => (isMember ? [place] : []));
}

/**
 * @param {bigint} value
 * @returns {bigint} The value, at least 1: what may be divided by.
 */
function atLeastOne(value) {
  return value > 1n ? value : 1n;
}

/**
 * @param {Agreement} table
 * @param {number} place
 * @returns {bigint} How decided a judge's net votes are: their mean square.
 */
function computeDecided(table, place) {
  return floorDivide(table.sums[place][place] << 16n, atLeastOne(table.counts[place][place]));
}

/**
 * Sum a table over pairs of different members.
 * @param {bigint[][]} values
 * @param {readonly number[]} places
 * @returns {bigint}
 */
function sumPairs(values, places) {
  return sum(places.map((row) => sum(places.map((column) => (row === column ? 0n : values[row][column])))));
}

/**
 * Give each judge a sign, so that agreement above the mean lies within camps and agreement below it across.
 * @param {Agreement} table
 * @returns {bigint[]} 1 or -1 a judge: the best of what greedy flips reach from one start a judge.
 */
function split({ sums, counts }) {
  const places = sums.map((_, place) => place);
  const mean = floorDivide(sumPairs(sums, places) << 16n, atLeastOne(sumPairs(counts, places)));
  const excess = sums.map((row, at) =>
    row.map((value, column) => (at === column ? 0n : value - ((mean * counts[at][column]) >> 16n))),
  );
  let best = places.map(() => 1n);
  let bestGain = sum(excess.map(sum));
  const starts = excess.map((row, at) =>
    row.map((value, column) => (at === column || value > 0n ? 1n : -1n)),
  );
  for (const start of starts) {
    const { signs, gain } = climb(excess, start);
    if (gain > bestGain) [best, bestGain] = [signs, gain];
  }
  return best;
}

/**
 * Flip the sign that gains most, the first of equals, until none gains.
 * @param {bigint[][]} excess
 * @param {bigint[]} start
 * @returns {{ signs: bigint[], gain: bigint }}
 */
function climb(excess, start) {
  const signs = [...start];
  const fields = excess.map((row) => multiply(row, signs));
  for (let flips = 0; flips < CLIMB_FLIPS * signs.length; flips += 1) {
    let lowest = 0;
    for (let place = 1; place < signs.length; place += 1) {
      if (signs[place] * fields[place] < signs[lowest] * fields[lowest]) lowest = place;
    }
    if (signs[lowest] * fields[lowest] >= 0n) break;
    signs[lowest] = -signs[lowest];
    excess[lowest].forEach((value, place) => {
      fields[place] += 2n * signs[lowest] * value;
    });
  }
  return { signs, gain: multiply(signs, fields) };
}

/**
 * Fit each judge's loading on the reference's one factor: alternating least squares over what it shares with
 * other members, damped by half.
 * @param {Agreement} table
 * @param {readonly boolean[]} reference
 * @returns {bigint[]} -.9 to .9; of members at least .02.
 */
function fitLoadings(table, reference) {
  const members = listMembers(reference);
  const base = computeBase(table, members);
  const prior = (PRIOR_COUNT * base * base) >> 32n;
  const halfPrior = (prior * base) << 15n;
  let loadings = reference.map((isMember) => (isMember ? base : 0n));
  for (let pass = 0; pass < FIT_PASSES; pass += 1) {
    const before = loadings;
    loadings = before.map((own, place) => {
      const others = members.filter((column) => column !== place);
      const agreed = sum(others.map((column) => table.sums[place][column] * before[column]));
      const weight = sum(others.map((column) => table.counts[place][column] * before[column] ** 2n));
      const value = floorDivide((agreed << 16n) + halfPrior, atLeastOne((weight >> 16n) + (prior << 16n)));
      return clamp((own + value) >> 1n, reference[place] ? LOADING_MIN : -LOADING_MAX, LOADING_MAX);
    });
  }
  return loadings;
}

/**
 * @param {Agreement} table
 * @param {readonly number[]} members
 * @returns {bigint} The loading that all members would have were they equal; at least 1 %.
 */
function computeBase(table, members) {
  const agreed = sumPairs(table.sums, members);
  const count = atLeastOne(sumPairs(table.counts, members));
  const base = squareRoot(((agreed > 0n ? agreed : 0n) << 32n) / count);
  return base > ONE / 100n ? base : ONE / 100n;
}

/**
 * @param {Agreement} table
 * @param {readonly bigint[]} signs
 * @param {readonly bigint[]} loadings
 * @returns {bigint} How clearly what one factor leaves over falls into the two camps, Q8.
 */
function computeSplit(table, signs, loadings) {
  const decided = signs.map((_, place) => computeDecided(table, place));
  let residual = 0n;
  let variance = 0n;
  for (let row = 0; row < signs.length; row += 1) {
    for (let column = 0; column < row; column += 1) {
      const count = table.counts[row][column];
      const expected = (count * loadings[row] * loadings[column]) >> 32n;
      residual += signs[row] * signs[column] * (table.sums[row][column] - expected);
      variance += (count * decided[row] * decided[column]) >> 16n;
    }
  }
  if (residual <= 0n || variance <= 0n) return 0n;
  return squareRoot(((residual * residual) << 16n) / (BigInt(signs.length) * variance));
}

/**
 * Choose the camp to trust: gold's if gold tells them apart, else the larger, else the looser one.
 * @param {Agreement} table
 * @param {readonly bigint[]} signs
 * @param {readonly bigint[]} heads
 * @param {bigint} splitQ8
 * @returns {boolean[]}
 */
function chooseReference(table, signs, heads, splitQ8) {
  const first = signs.map((sign) => sign > 0n);
  const second = signs.map((sign) => sign < 0n);
  const byGold = compareGold(table, first, second);
  if (byGold !== 0) return byGold > 0 ? first : second;
  let [chosen, other] =
    countHeads(first, heads) < countHeads(second, heads) ? [second, first] : [first, second];
  const isTighter = () => computeWithin(table, chosen) * 4n > computeWithin(table, other) * 5n;
  if (isDoubtful(table, chosen, other, heads) && isTighter()) [chosen, other] = [other, chosen];
  if (splitQ8 >= SPLIT_CLEAR_Q8) return chosen;
  return chosen.map(
    (isChosen, place) => isChosen || computePreference(table, place, other, chosen) < DOUBTFUL_Q8,
  );
}

/**
 * @param {readonly boolean[]} camp
 * @param {readonly bigint[]} heads
 * @returns {bigint}
 */
function countHeads(camp, heads) {
  return sum(listMembers(camp).map((place) => heads[place]));
}

/**
 * @param {Agreement} table
 * @param {readonly boolean[]} first
 * @param {readonly boolean[]} second
 * @returns {number} 1, -1 or 0 as gold speaks for the first camp, the second, or does not tell.
 */
function compareGold(table, first, second) {
  const means = [];
  let variance = 0n;
  for (const places of [listMembers(first), listMembers(second)]) {
    const count = sum(places.map((place) => table.goldCounts[place]));
    if (count <= 0n) return 0;
    means.push(floorDivide(sum(places.map((place) => table.gold[place])) << 16n, count));
    const spread = sum(
      places.map((place) =>
        floorDivide(
          table.goldCounts[place] * table.sums[place][place],
          atLeastOne(table.counts[place][place]),
        ),
      ),
    );
    variance += floorDivide(spread << 48n, count * count);
  }
  const gap = means[0] - means[1];
  if ((gap * gap) << 16n < GOLD_GAP_Q8 * GOLD_GAP_Q8 * variance) return 0;
  return gap > 0n ? 1 : -1;
}

/**
 * @param {Agreement} table
 * @param {readonly boolean[]} larger
 * @param {readonly boolean[]} smaller
 * @param {readonly bigint[]} heads
 * @returns {boolean} Whether the majority hangs on a member that hardly prefers its camp.
 */
function isDoubtful(table, larger, smaller, heads) {
  const size = countHeads(larger, heads);
  const total = sum(heads);
  const hangsOn = (/** @type {number} */ place) =>
    2n * (size - heads[place]) <= total && computePreference(table, place, larger, smaller) < DOUBTFUL_Q8;
  return 2n * size === total || listMembers(larger).some(hangsOn);
}

/**
 * @param {Agreement} table
 * @param {number} place
 * @param {readonly boolean[]} own
 * @param {readonly boolean[]} other
 * @returns {bigint} How much more it agrees with its own camp than with the other, in standard errors, Q8.
 */
function computePreference(table, place, own, other) {
  const decided = computeDecided(table, place);
  const means = [];
  let variance = 0n;
  for (const camp of [own, other]) {
    const places = listMembers(camp).filter((column) => column !== place);
    const count = sum(places.map((column) => table.counts[place][column]));
    if (count <= 0n) return 0n;
    means.push(floorDivide(sum(places.map((column) => table.sums[place][column])) << 16n, count));
    variance += ((decided * decided) << 16n) / count;
  }
  const gap = means[0] - means[1];
  if (gap <= 0n || variance <= 0n) return 0n;
  return squareRoot(((gap * gap) << 16n) / variance);
}

/**
 * @param {Agreement} table
 * @param {readonly boolean[]} camp
 * @returns {bigint} Mean agreement of two members; 0 for a camp of one.
 */
function computeWithin(table, camp) {
  const places = listMembers(camp);
  const count = sumPairs(table.counts, places);
  return count === 0n ? 0n : floorDivide(sumPairs(table.sums, places) << 16n, count);
}
