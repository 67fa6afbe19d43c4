import { expect, test } from "vitest";
import { Poll } from "./poll";

/** A poll whose time goes on by hand. */
function polled(answers: (boolean | Error)[]) {
  const waits: number[] = [];
  let next: (() => void) | undefined;
  let hidden = false;
  let asked = 0;
  const poll = new Poll(async () => {
    const answer = answers[asked++];
    if (answer instanceof Error) throw answer;
    return answer ?? false;
  }, {
    least: 1000, most: 4000, hidden: () => hidden,
    wait: (run, milliseconds) => { waits.push(milliseconds); next = run; },
    cancel: () => { next = undefined; },
  });
  const settle = () => new Promise((resolve) => setTimeout(resolve));
  return {
    poll, waits, asked: () => asked, settle,
    hide: (yes: boolean) => { hidden = yes; },
    pass: async () => { const run = next; next = undefined; run?.(); await settle(); },
    waiting: () => next !== undefined,
  };
}

test("it asks often while there is news, and ever more seldom while there is none", async () => {
  const p = polled([true, true, false, false, false, false, false]);
  p.poll.start();
  await p.settle();
  for (let i = 0; i < 6; i++) await p.pass();
  expect(p.waits).toEqual([1000, 1000, 1500, 2250, 3375, 4000, 4000]);
});

test("it backs off faster from errors, and asks on", async () => {
  const p = polled([new Error("no answer"), new Error("no answer"), true]);
  p.poll.start();
  await p.settle();
  await p.pass();
  await p.pass();
  expect(p.waits).toEqual([2000, 4000, 1000]);
});

test("it does not ask while the page is hidden, and at once when it is seen", async () => {
  const p = polled([true, true, true]);
  p.poll.start();
  await p.settle();
  p.hide(true);
  await p.pass();
  expect([p.asked(), p.waiting()]).toEqual([1, false]);
  p.hide(false);
  await p.poll.wake();
  expect(p.asked()).toBe(2);
});

test("what is done while it asks has it ask again at once", async () => {
  const p = polled([false, false]);
  p.poll.start();
  void p.poll.wake();
  await p.settle();
  expect(p.waits).toEqual([0]);
});

test("once stopped it asks no more, though an answer comes", async () => {
  const p = polled([true]);
  p.poll.start();
  p.poll.stop();
  await p.settle();
  expect(p.waiting()).toBe(false);
  await p.poll.wake();
  expect(p.asked()).toBe(1);
});
