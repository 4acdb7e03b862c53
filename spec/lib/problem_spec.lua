local mirrors = require("mirrors")
local problem = require("kmirror.problem")

describe("what was raised", function()
    local function of(kind) return mirrors.error(kind, "it was so") end

    it("is an error object of a kind, or another value that has none", function()
        assert.is_true(problem.is(of "cancelled", "cancelled"))
        assert.is_false(problem.is(of "cancelled", "timeout"))
        for _, value in ipairs { "cancelled", 1, {}, false } do
            assert.is_false(problem.is(value, "cancelled"))
        end
        assert.is_false(problem.is(nil, "cancelled"))
    end)

    it("passes by itself, or befalls every mirror, or is about one that is gone, or none of these", function()
        local is = {
            transport = "passes", timeout = "passes", server = "passes", rate_limited = "passes",
            cancelled = "is_hopeless", unauthorized = "is_hopeless", read_only = "is_hopeless",
            not_found = "is_gone", invalid = "", forbidden = "", tls = "", protocol = "", unknown_outcome = "",
        }
        for kind, expected in pairs(is) do
            for _, question in ipairs { "passes", "is_hopeless", "is_gone" } do
                assert.are.equal(question == expected, problem[question](of(kind)), kind .. " " .. question)
                assert.is_false(problem[question](kind))
            end
        end
    end)

    it("comes back from a call that was tried, unless it is a mistake in the program or the task's end", function()
        local timeout = of "timeout"
        assert.are.same({ false, timeout }, { problem.try(error, timeout, 0) })
        assert.are.same({ true, 1, 2 }, { problem.try(function(...) return ... end, 1, 2) })
        assert.has_error(function() problem.try(error, "a mistake", 0) end, "a mistake")
        local cancelled = of "cancelled"
        local ok, raised = pcall(problem.try, error, cancelled, 0)
        assert.are.same({ false, true }, { ok, rawequal(raised, cancelled) })
    end)
end)
