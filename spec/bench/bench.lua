-- bench.lua: runs the rows one after the other and writes what came out. bench.sh calls it, with the servers running.
package.path = "spec/bench/driver/?.lua;" .. package.path
local context = require("context")
local output = require("output")
local rounds = require("rounds")

local names = { "gets", "startup", "list", "tasks", "tls", "memory", "growth", "work", "journal", "rate", "failover" }

local wanted = {}
local rows = os.getenv "ROWS"
if not rows or rows == "" then rows = table.concat(names, " ") end
for name in rows:gmatch "[^%s,]+" do wanted[name] = true end
for name in pairs(wanted) do
    if not io.open(("spec/bench/rows/%s.lua"):format(name)) then
        io.stderr:write(("bench: there is no row %s; there are %s\n"):format(name, table.concat(names, ", ")))
        os.exit(2)
    end
end

local results = {}
for _, name in ipairs(names) do
    if wanted[name] then
        local row = dofile(("spec/bench/rows/%s.lua"):format(name))(context)
        io.stderr:write(("%4d s  %s\n"):format(os.difftime(os.time(), context.began), row.title))
        results[#results + 1] = { row = row, samples = rounds.run(row, context.count(5, 3)) }
    end
end
output.write(results, context)
