import { expect, test } from "vitest";
import { parseTiles } from "./archive";

test("the tiles of sprites.vtt", () => {
  const vtt = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nsprites/000001.jpg#xywh=0,0,160,90\n\n01:02:03.500 --> 01:02:04.000\nsprites/000002.jpg#xywh=160,90,160,90\n";
  expect(parseTiles(vtt)).toEqual([
    { sheet: "sprites/000001.jpg", x: 0, y: 0, width: 160, height: 90, time: 0 },
    { sheet: "sprites/000002.jpg", x: 160, y: 90, width: 160, height: 90, time: 3723.5 },
  ]);
});

test("what is no cue is passed over", () => expect(parseTiles("WEBVTT\n\nNOTE nothing\n")).toEqual([]));
