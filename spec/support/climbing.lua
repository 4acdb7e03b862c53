-- climbing.c: what `--rate auto` finds out, in simulated time.
local support = require("spec.support")

local climbing = {}

--- Compiles it.
---@return string program
function climbing.program()
    local program = support.temporary("climbing")
    local compile = ("cc -std=c11 -O2 -D_GNU_SOURCE -Iruntime -o %s spec/support/climbing.c runtime/governor.c "
        .. "runtime/leased.c runtime/climb.c -lm 2>&1"):format(program)
    local pipe <close> = io.popen(compile)
    local said = pipe:read("a")
    assert(pipe:close(), said)
    return program
end

--- Runs it: its numbers, in the order in which climbing.c tells them.
---@param program string
---@param case table<string, string|number>
---@param seed integer
---@return number[]
function climbing.figures(program, case, seed)
    local words, numbers = { program, "seed=" .. seed }, {}
    for name, value in pairs(case) do words[#words + 1] = name .. "=" .. value end
    local pipe <close> = io.popen(table.concat(words, " "))
    for number in pipe:read("a"):gmatch("%S+") do numbers[#numbers + 1] = tonumber(number) end
    assert(pipe:close(), "climbing failed")
    return numbers
end

return climbing
