local mirrors = require "mirrors"
local problem = require "kmirror.problem"

describe("what was raised", function()
    local function of(kind) return mirrors.error(kind, "it was so") end

    it("is an error object of a kind, or another value that has none", function()
        assert.is_true(problem.is(of "cancelled", "cancelled"))
        assert.is_false(problem.is(of "cancelled", "timeout"))
        for _, value in ipairs { "cancelled", 1, {}, false } do assert.is_false(problem.is(value, "cancelled")) end
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
end)
