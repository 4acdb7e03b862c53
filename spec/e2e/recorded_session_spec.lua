--- The guide's recorded session, typed again into a terminal: it shows the same. A line `...` stands for any lines.
--- KMIRROR_SESSION names another file that holds the session.
local screens = require("spec.support.screen")
local support = require("spec.support")

local file = os.getenv("KMIRROR_SESSION") or "scripts/README.md"
local PROMPT = "us-east@sandbox>"

-- The session: the command that begins it, what is shown before anything is typed, and each { typed, shown }.
local function read_session()
    local block = support.read(file):match("<!%-%- session %-%->%s*```%w*\n(.-)\n```%s*<!%-%- /session %-%->")
    assert(block, file .. " has no session between <!-- session --> and <!-- /session -->")
    local command, rest = block:match("^%$ kmirror ([^\n]+)\n(.*)$")
    assert(command, "the session does not begin with `$ kmirror ...`")
    local session = { command = command, greeting = {}, inputs = {} }
    local shown = session.greeting
    for line in (rest .. "\n"):gmatch("(.-)\n") do
        local typed = line:sub(1, #PROMPT + 1) == PROMPT .. " " and line:sub(#PROMPT + 2)
        if typed then
            shown = {}
            session.inputs[#session.inputs + 1] = { typed = typed, shown = shown }
        else
            shown[#shown + 1] = line
        end
    end
    return session
end

-- What differs from run to run: ids, names of connectors, the time, the port, lags and rates, and with them the
-- widths of columns.
local function masked(line)
    line = line:gsub("%x+%-%x+%-%x+%-%x+%-%x+", "ID"):gsub("(us%-west%.us%-east%.)%w+", "%1NAME")
    line = line:gsub("^%d%d:%d%d:%d%d ", "TIME "):gsub("127%.0%.0%.1:%d+", "ADDRESS")
    line = line:gsub("^kmirror %d[%w.]+%.", "kmirror VERSION.")
    line = line:gsub("^(  [%w.]+) +%d+ +[%d.e+]+$", "%1 LAG RATE")
    return (line:gsub("(%S) +", "%1 "))
end

local function masked_lines(text)
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = masked(line) end
    return lines
end

-- Without the lines for which `...` stands, as far as the others fit around it.
local function assert_shows(expected, text)
    local wanted, got = masked_lines(table.concat(expected, "\n")), masked_lines(text)
    for i, line in ipairs(wanted) do
        local left_out = #got - #wanted + 1
        if line == "..." and left_out > 0 then
            table.move(got, i + left_out, #got + left_out, i + 1)
            got[i] = "..."
            break
        end
    end
    assert.are.same(wanted, got)
end

describe("the recorded session", function()
    local session = read_session()
    local screen

    setup(function()
        local words = { columns = 90 }
        for word in session.command:gmatch("%S+") do words[#words + 1] = word end
        screen = screens.start(words)
    end)

    teardown(function() screen:stop() end)

    -- What the screen shows below the line that was typed last, once it ends with `ending`.
    local function shown_after(typed, ending)
        local line, shown = PROMPT .. " " .. typed .. "\n", nil
        support.eventually(("the end of `%s`"):format(typed), function()
            local text, from = screen:text(), nil
            local at = text:find(line, 1, true)
            while at do from, at = at + #line, text:find(line, at + 1, true) end
            local rest = from and text:sub(from)
            shown = rest and rest:sub(-#ending) == ending and rest:sub(1, -#ending - 1)
            return shown and not shown:find(PROMPT, 1, true)
        end)
        return shown
    end

    it("begins as it says", function()
        assert_shows(session.greeting, screen:wait("\n" .. PROMPT):sub(1, -#PROMPT - 1))
    end)

    for i, input in ipairs(session.inputs) do
        local is_last = i == #session.inputs
        it(("answers `%s`"):format(input.typed), function()
            screen:type(input.typed)
            screen:wait(PROMPT .. " " .. input.typed)
            screen:press("Enter")
            assert_shows(input.shown, shown_after(input.typed, is_last and "ended with 0" or PROMPT))
        end)
    end

    it("goes from a start to a changed target latency, and ends", function()
        local typed = {}
        for _, input in ipairs(session.inputs) do typed[#typed + 1] = input.typed end
        local all = table.concat(typed, "\n")
        assert.are.equal("repl --sandbox", session.command)
        assert.is_truthy(all:find("api:update_target_latency", 1, true))
        assert.are.equal(":quit", typed[#typed])
    end)
end)
