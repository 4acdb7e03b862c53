--- repl.evaluate: an input as Lua: an expression, which has values, or statements.

local M = {}

local name = "=input"

---@class kmirror.repl.input
---@field chunk function|nil nil when it does not compile
---@field expression boolean its values are wanted
---@field code string what was compiled
---@field problem string|nil why it does not compile
---@field incomplete boolean it may, once more is typed

-- What ends too early may go on in the next line. These do not: a string in quotes ends with its line, and a method
-- without arguments is a slip.
local slips = { "function arguments expected", "unfinished string" }

local function is_incomplete(problem)
    for _, slip in ipairs(slips) do
        if problem:find(slip, 1, true) then return false end
    end
    return problem:find("near '?<eof>'?$") ~= nil
end

--- The names that an input declares as local variables, without <const> and <close>, which have no meaning for what
--- stays; and the rest from the = on. nil when it declares none, or gives them no values.
---@param text string
---@return string|nil names
---@return string rest
function M.declared(text)
    local names, rest = text:match("^%s*local%s+([%a_][%w_%s,<>]-)%s*(=.*)$")
    return names and names:gsub("<%s*%a+%s*>", "") or nil, rest
end

-- A local variable would be gone with its input; at a prompt it is meant to stay.
local function without_local(text)
    local names, rest = M.declared(text)
    if names then return names .. rest end
    local fn = text:match("^%s*local%s+(function%s.*)$")
    local bare = text:match("^%s*local%s+([%a_][%w_%s,]*)$")
    return fn or (bare and bare .. " = nil") or nil
end

local function candidates(text)
    local list = { { "return " .. text, true } }
    local stays = without_local(text)
    if stays then list[#list + 1] = { stays, false } end
    list[#list + 1] = { text, false }
    return list
end

-- What is wrong with it as statements, unless it does not even begin like one: `{ 1 2 }`.
local function best_of(problems)
    local first, last = problems[1], problems[#problems]
    local no_statement = last:find("^input:%d+: unexpected symbol") and not first:find("unexpected symbol", 1, true)
    return no_statement and first or last
end

--- Compiles an input. Locals that it begins with become variables of the session.
---@param text string
---@param env table what its globals are
---@param line? integer the number of its first line, 1 by default
---@return kmirror.repl.input
function M.compile(text, env, line)
    local problems, incomplete = {}, false
    local above = ("\n"):rep((line or 1) - 1)
    for i, candidate in ipairs(candidates(text)) do
        local chunk, problem = load(above .. candidate[1], name, "t", env)
        if chunk then
            return { chunk = chunk, expression = candidate[2], code = text, incomplete = false }
        elseif problem == "not enough memory" then -- the next candidate may mean something else
            return { expression = false, code = text, problem = problem, incomplete = false }
        end
        problems[i], incomplete = problem, incomplete or is_incomplete(problem)
    end
    return { expression = false, code = text, problem = best_of(problems), incomplete = incomplete }
end

return M
