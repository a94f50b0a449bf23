/** The one error of a verifier: bytes that break a rule of docs/protocol.md. */

export class ReceiptError extends Error {
  /**
   * @param {string} message What was got and what was expected.
   * @param {number} [step] Numbered step of verification that failed, 1..7; 0 until a caller names it.
   */
  constructor(message, step = 0) {
    super(message);
    this.name = "ReceiptError";
    this.step = step;
  }
}

/**
 * Demand that a rule holds.
 * @param {boolean} holds
 * @param {string} message What was got and what was expected.
 * @returns {asserts holds}
 */
export function demand(holds, message) {
  if (!holds) throw new ReceiptError(message);
}

/**
 * Run an action whose broken rules fail the given step of verification.
 * @template T
 * @param {number} step
 * @param {() => T} action
 * @returns {T}
 */
export function atStep(step, action) {
  try {
    return action();
  } catch (error) {
    if (error instanceof ReceiptError && error.step === 0) error.step = step;
    throw error;
  }
}
