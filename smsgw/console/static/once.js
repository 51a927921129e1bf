// The code of a one-time login follows # in its address: browsers send that to nobody. It goes from
// there into the form, and out of the address bar. Without this file people paste it.
"use strict";

const CODE = /^#[\w-]{32}$/; // and no other place of the page

function take() {
  if (!CODE.test(location.hash)) return;
  const field = document.querySelector("[name=once]");
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  document.querySelector("#code").hidden = true;
  field.form.querySelector("button").focus();
}

window.addEventListener("hashchange", take);
take();
