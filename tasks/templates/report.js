(function () {
  "use strict";
  var root = document.documentElement, all = document.querySelectorAll("details.host"), links = document.querySelectorAll("nav a");

  function language() {
    var zh = location.hash === "#zh";
    root.lang = zh ? document.getElementById("zh").lang : "en";
    document.title = root.getAttribute(zh ? "data-zh" : "data-en");
    links.forEach(function (link) {
      if ((link.id === "zh") === zh) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    });
  }

  function every(open) {
    all.forEach(function (one) { one.open = open; });
  }

  document.querySelectorAll("[data-open]").forEach(function (button) {
    button.addEventListener("click", function () { every(button.getAttribute("data-open") !== ""); });
    button.parentNode.hidden = false;
  });
  addEventListener("hashchange", language);
  language();
})();
