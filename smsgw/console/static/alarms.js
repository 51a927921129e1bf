// What stands on top of every page is asked for anew while the page is open. Without this file it is
// as old as the page.
"use strict";

const EVERY = 15_000; // milliseconds
const alarms = document.querySelector("#alarms");

if (alarms) setInterval(() => htmx.ajax("GET", alarms.dataset.address, alarms), EVERY);
