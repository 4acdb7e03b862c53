local doctor = require("kmirror.doctor")
local json = require("kmirror.json")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local columns = { { "CHECK", "check" }, { "STATE", "state" }, { "FOUND", "found" }, { "REMEDY", "remedy" } }
local colors = { ok = "green", warn = "yellow", fail = "red", skip = "dim" }
local indent = (" "):rep(22)

local function show(findings, where)
    local function found(message, more)
        return text.message(text.clean(message), where.width, #indent + (more or 0))
    end
    for _, finding in ipairs(findings) do
        local state = terminal.paint(where, colors[finding.state], ("%-4s"):format(finding.state))
        io.stdout:write(("%-15s %s  %s\n"):format(finding.check, state, found(finding.found)))
        if finding.remedy then
            io.stdout:write(indent, terminal.paint(where, "bold", "-> " .. found(finding.remedy, 3)), "\n")
        end
    end
end

---@type kmirror.command
return {
    name = "doctor",
    summary = "Check the setup, and say what to do.",
    details = [[
Looks at the configuration, where the API key comes from and who can read it,
DNS, the connection, TLS, the clock, whether the API takes the key and what it
may do, the rate, and the store of jobs; of one in PostgreSQL also its tables,
its clock and the shared quota. Nothing is changed: whether the key is
read-only shows when the target latency of a mirror that does not exist is set,
which a full key is told (404) and a read-only one refused (403); with
--read-only even that is not asked.

Each is ok, warn, fail, or skip when it could not be looked at.
Exit status: 0; 1 when something failed.

In a pipe: check, state, what was found and what to do, with tabs between.
With --json: [{"check", "state", "found", "remedy"}, ...].]],
    sets = { "connection", "results", "messages", "store" },
    prepares_itself = true, -- a wrong configuration is what it is to tell of

    define = function() end,

    run = function(given)
        local findings, well = doctor.examine(given, require("kmirror.cli").prepare)
        local where = terminal.of(io.stdout)
        if given.json then
            io.stdout:write(json.encode(json.array(findings), true), "\n")
        elseif where.terminal then
            show(findings, where)
        else
            tables.write(io.stdout, columns, findings)
        end
        return well and 0 or 1
    end,
}
