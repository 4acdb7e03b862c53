--- svg: what `tmux capture-pane -e -p` shows, from standard input, as an SVG picture on standard output.
---
---     tmux capture-pane -e -p | lua5.4 lib/pictures/svg.lua COLUMNS TITLE > picture.svg
---
--- Each run of characters is stretched to the columns that it takes, so that the lines stay aligned in any font.

local columns = assert(math.tointeger(tonumber(arg[1])), "usage: svg.lua COLUMNS TITLE")
local title = assert(arg[2], "usage: svg.lua COLUMNS TITLE")

local across, down, margin = 8.4, 18, 14 -- a character's width and height, and the edge; in pixels
local background, plain, dim = "#161b22", "#e6edf3", "#8b949e"
local palette = { [0] = "#6e7681", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#e6edf3" }

local function escape(text)
    return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

-- ---- reading ----------------------------------------------------------------------------------------------

local style = {} -- goes on from line to line

local function apply(code)
    if code == 0 then
        style = {}
    elseif code == 1 then
        style.bold = true
    elseif code == 2 then
        style.dim = true
    elseif code == 22 then
        style.bold, style.dim = nil, nil
    elseif code == 39 then
        style.color = nil
    elseif code // 10 == 3 or code // 10 == 9 then
        style.color = palette[code % 10]
    end
end

local function attributes()
    local color = style.color or style.dim and dim or plain
    return (color == plain and "" or (' fill="%s"'):format(color)) .. (style.bold and ' font-weight="bold"' or "")
end

-- The runs of one line: { text, column, look }.
local function runs_of(line)
    local runs, column = {}, 0
    for text, codes in (line .. "\27[m"):gmatch("(.-)\27%[([%d;]*)m") do
        if text ~= "" then
            runs[#runs + 1] = { text = text, column = column, look = attributes() }
            column = column + utf8.len(text)
        end
        for code in (codes == "" and "" or codes .. ";"):gmatch("(%d*);") do
            apply(tonumber(code) or 0)
        end
    end
    return runs
end

local function read_lines()
    local lines = {}
    for line in io.lines() do lines[#lines + 1] = runs_of(line) end
    while #lines > 0 and #lines[#lines] == 0 do lines[#lines] = nil end
    return lines
end

-- ---- writing ----------------------------------------------------------------------------------------------

-- Words apart from each other by more than a space are placed each for itself.
local function write_run(run, y)
    local at = 1
    while true do
        local first = run.text:find("%S", at)
        if not first then return end
        local last = (run.text:find("%s%s", first) or #run.text + 1) - 1
        local word = run.text:sub(first, last):gsub("%s+$", "")
        local length = utf8.len(word)
        io.write(('<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</text>\n'):format(
            margin + across * (run.column + utf8.len(run.text:sub(1, first - 1))), y, across * length, run.look,
            escape(word)))
        at = last + 1
    end
end

local lines = read_lines()
local width, height = math.ceil(columns * across + 2 * margin), #lines * down + 2 * margin
io.write(('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">\n'):format(
    width, height, width, height))
io.write(("<title>%s</title>\n"):format(escape(title)))
io.write(('<rect width="%d" height="%d" rx="8" fill="%s"/>\n'):format(width, height, background))
io.write(('<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace"'
    .. ' font-size="14" fill="%s">\n'):format(plain))
for i, runs in ipairs(lines) do
    for _, run in ipairs(runs) do write_run(run, margin + i * down - 5) end
end
io.write("</g>\n</svg>\n")
