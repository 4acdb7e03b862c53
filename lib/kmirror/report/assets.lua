--- report.assets: the style and the script of a page. The page needs no script: it filters and sorts with it.

local M = {}

M.style = [[
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2330;--dim:#667085;--rule:#e3e7ee;--card:#f6f8fb;
--read:#4c8ddb;
--create:#2a9d6f;--latency:#8b6fd6;--delete:#c07a1c;--bad:#d1393f;--backoff:#f0b429;--idle:#b3bccb;
--accent:#2563c9}
@media screen and (prefers-color-scheme:dark){:root{--paper:#12161d;--ink:#e4e8ef;--dim:#93a0b4;--rule:#2a3240;
--card:#1a202a;
--read:#5a9be8;--create:#3fb88a;--latency:#a58bf0;--delete:#dd9a3c;--bad:#f0646a;--backoff:#f2c14e;
--idle:#4b576a;
--accent:#7fb0ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:28px 20px 60px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:24px;margin:0 0 2px;overflow-wrap:anywhere}
h2{font-size:18px;margin:34px 0 10px}h3{font-size:15px;margin:20px 0 6px}
p{margin:6px 0}.dim,.note{color:var(--dim)}.note{font-size:13px}
code,pre{font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere;white-space:pre-wrap}
pre{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:8px 12px;margin:6px 0}
.state{display:inline-block;padding:1px 10px;border-radius:10px;font-size:13px;font-weight:600;color:#fff;
background:#57657c;
vertical-align:3px;margin-left:8px}
.state.done{background:#1e7f58}.state.failed,.state.killed{background:#c22f36}
.state.partly,.state.interrupted{background:#946009}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px;margin:18px 0}
.card{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 14px}
.card b{display:block;font-size:21px;line-height:1.25;font-variant-numeric:tabular-nums}
.card.bad b{color:var(--bad)}
.card span{color:var(--dim);font-size:13px}
.scroll{overflow-x:auto}svg{display:block;width:100%;min-width:680px;height:auto}
.grid{stroke:var(--rule);fill:none}.axis{fill:var(--dim);font-size:11px}.label{fill:var(--ink);font-size:11.5px}
rect.step{fill:color-mix(in srgb,var(--accent) 28%,transparent)}rect.open{fill-opacity:.45}
rect.reads,i.reads{fill:var(--read);background:var(--read)}rect.makes,i.makes{fill:var(--create);
background:var(--create)}
rect.alters,i.alters{fill:var(--latency);background:var(--latency)}
rect.removes,i.removes{fill:var(--delete);background:var(--delete)}
rect.failed,i.failed{fill:var(--bad);background:var(--bad)}
rect.backoff,i.backoff{fill:var(--backoff);background:var(--backoff)}
rect.waited,i.waited{fill:var(--idle);background:var(--idle)}rect.recorded,rect.open{fill:var(--idle)}
g.call.off{opacity:.08}g.call:hover rect{stroke:var(--ink);stroke-width:.8}
.area{fill:color-mix(in srgb,var(--accent) 30%,transparent);stroke:var(--accent)}.limit{stroke:var(--bad);
stroke-dasharray:6 4}
path.lag{fill:none;stroke:var(--accent);stroke-opacity:.55}circle.lag{fill:var(--accent);fill-opacity:.7}
g:hover>path.lag{stroke-opacity:1;stroke-width:2.5}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--dim)}
.legend i{display:inline-block;width:14px;height:8px;border-radius:2px;margin-right:5px}
.share{display:flex;height:22px;border-radius:5px;overflow:hidden;margin:8px 0}.share i{display:block;
min-width:1px}
table{border-collapse:collapse;width:100%;min-width:680px;font-size:13.5px}
th,td{text-align:left;vertical-align:top;padding:4px 12px 4px 0;border-bottom:1px solid var(--rule);
overflow-wrap:anywhere;
min-width:56px}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th{color:var(--dim);font-weight:600;white-space:nowrap}td{max-width:420px}
.js .sortable th{cursor:pointer}th[aria-sort=ascending]::after{content:" ▲"}
th[aria-sort=descending]::after{content:" ▼"}
td .failed{color:var(--bad);font-weight:600}td .done{color:var(--create)}
td code{white-space:normal}
.filter{display:none;gap:8px;flex-wrap:wrap;align-items:center;margin:8px 0}.js .filter{display:flex}
.filter input,.filter select{font:inherit;padding:4px 8px;color:inherit;background:var(--card);
border:1px solid var(--rule);border-radius:5px;min-width:0}.filter input{flex:1 1 220px}
summary{cursor:pointer;color:var(--dim)}[hidden]{display:none!important}
@media print{table{min-width:0}
body{max-width:none;padding:0;font-size:11px}svg{min-width:0}.filter{display:none!important}
.card{break-inside:avoid}
h2,h3{break-after:avoid}tr,svg{break-inside:avoid}.scroll{overflow:visible}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
]]

M.script = [[
(function () {
  "use strict";
  document.documentElement.classList.add("js");
  function each(list, fn) { Array.prototype.forEach.call(list, fn); }
  function value(row, column) {
    var cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.toLowerCase() : Number(cell.dataset.sort);
  }
  each(document.querySelectorAll("table.sortable"), function (table) {
    each(table.tHead.rows[0].cells, function (head, column) {
      head.tabIndex = 0;
      function sort() {
        var up = head.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
        each(table.tHead.rows[0].cells, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        Array.prototype.slice.call(body.rows).sort(function (a, b) {
          var x = value(a, column), y = value(b, column), order = x < y ? -1 : x > y ? 1 : 0;
          return up ? order : -order;
        }).forEach(function (row) { body.appendChild(row); });
      }
      head.addEventListener("click", sort);
      head.addEventListener("keydown", function (e) { if (e.key === "Enter") sort(); });
    });
  });
  each(document.querySelectorAll(".calls"), function (part) {
    var words = part.querySelector("input"), which = part.querySelector("select");
    var count = part.querySelector("output");
    if (!words) return;
    var rows = part.querySelectorAll("tbody tr"), marks = {};
    each(part.querySelectorAll("g.call"), function (g) { marks[g.dataset.call] = g; });
    function filter() {
      var wanted = words.value.toLowerCase().split(/\s+/), shown = 0;
      each(rows, function (row) {
        var text = row.textContent.toLowerCase();
        var ok = (!which.value || row.dataset.kind.split(" ").indexOf(which.value) >= 0) &&
          wanted.every(function (word) { return text.indexOf(word) >= 0; });
        row.hidden = !ok;
        shown += ok ? 1 : 0;
        if (marks[row.dataset.call]) marks[row.dataset.call].classList.toggle("off", !ok);
      });
      count.textContent = shown + " of " + rows.length;
    }
    words.addEventListener("input", filter);
    which.addEventListener("change", filter);
    var given = new URLSearchParams(location.hash.slice(1)).get("filter");
    if (given) words.value = given;
    filter();
  });
})();
]]

return M
