local support = require("spec.support")

-- What comes of waiting for groups, of an API whose answers come one after the other, the last again and again; each is
-- by group { committed, translated, again }. Also how often it was asked, and how often the fence was looked at.
local function wait(answers, seconds)
    local result = support.run { "run", "-", stdin = ([[
        local groups = require "kmirror.failover.groups"
        local answers, asked, guarded = %s, 0, 0
        local api = { groups = function()
            asked = asked + 1
            local answer, told = answers[math.min(asked, #answers)], { groups = {} }
            if answer.problem then error({ kind = answer.problem, message = answer.problem }, 0) end
            for name, its in pairs(answer) do
                told.groups[#told.groups + 1] = { group = name, recordsAgain = its[3], partitions = {
                    { committedOffset = its[1], translatedOffset = its[2] } } }
            end
            return told
        end }
        local seen = groups.wait(api, { { id = "x" } }, %g, function() guarded = guarded + 1 end)
        print(("%%s|%%d|%%d"):format(seen and groups.words(seen), asked, guarded))
    ]]):format(answers, seconds or 0.2) }
    assert.are.equal(0, result.status, result.stderr)
    return result.stdout:sub(1, -2), result.stderr
end

describe("a failover that waits for consumer groups", function()
    it("does not wait where none has committed anything, or all may move", function()
        assert.are.equal("no consumer group has committed anything|1|1", wait "{ {} }")
        assert.are.equal("2 consumer groups may move|1|1", wait "{ { a = { 5, 5, 0 }, b = { 7, 7, 0 } } }")
    end)

    it("goes on as soon as the last may move", function()
        assert.are.equal("1 consumer group may move|3|3",
            wait("{ { a = { 5, nil, nil } }, { a = { 5, 3, 2 } }, { a = { 5, 5, 0 } } }", 0.3))
    end)

    it("goes on when none has come nearer for so long, and says which are late, and what is read again", function()
        local said = wait("{ { a = { 5, 5, 0 }, b = { 90, 30, 60 }, c = { 4, nil, nil } } }", 0.1)
        assert.are.equal("1 of 3 consumer groups may move; late: b, c, 60 records read again", said:match("^[^|]*"))
    end)

    it("leaves it to the clock where groups cannot be looked at", function()
        local said, warned = wait "{ { problem = 'unsupported' } }"
        assert.are.equal("nil|1|0", said)
        assert.is_truthy(warned:find("consumer groups cannot be looked at, so that 0.2 s have to do", 1, true), warned)
    end)
end)
