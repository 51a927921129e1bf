// Counts each text on standard input with npm's sms-segments-calculator.
import { createInterface } from "node:readline";
import calculator from "sms-segments-calculator";

createInterface({ input: process.stdin }).on("line", (line) => {
  const { text } = JSON.parse(line);
  const message = new calculator.SegmentedMessage(text);
  console.log(`${message.encodingName} ${message.segmentsCount}`);
});
