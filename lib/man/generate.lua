-- generate: writes the manual page kmirror(1), from the same definitions that help uses.
--
--     kmirror run lib/man/generate.lua > kmirror.1

local cli = require("kmirror.cli")
local definitions = cli.definitions()
local host = require("host")

-- Text as roff: nothing in it is taken for a request, and hyphens are those of the command line.
local function roff(text)
    return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^([.'])", "\\&%1"):gsub("\n([.'])", "\n\\&%1"))
end

local function write(...)
    io.stdout:write(...)
end

local function section(title)
    write('.SH "', title, '"\n')
end

local function option(each)
    local names = {}
    for i, name in ipairs(each.names) do names[i] = "\\fB" .. roff(name) .. "\\fR" end
    local value = each.placeholder and " \\fI" .. roff(each.placeholder) .. "\\fR" or ""
    write(".TP\n", table.concat(names, ", "), value, "\n", roff(each.description), "\n")
end

-- Help is written in lines of its own; those that are indented have to stay lines.
local function paragraph(lines)
    local filled = true
    for line in lines:gmatch("[^\n]+") do
        local fill = not line:find("^  ")
        if fill ~= filled then
            write(fill and ".fi\n" or ".nf\n")
            filled = fill
        end
        write(roff(line), "\n")
    end
    write(filled and "" or ".fi\n")
end

-- Paragraphs; the first may stand right under a heading.
local function prose(text, is_first)
    for lines in (text .. "\n\n"):gmatch("(.-)\n\n+") do
        write(is_first and "" or ".PP\n")
        paragraph(lines)
        is_first = false
    end
end

local in_sets = {}
for _, each in ipairs(definitions.of_sets({ "connection", "safety", "job", "times", "results", "messages" })) do
    in_sets[each.names[1]] = true
end

local function command(name)
    local it = definitions.command(name)
    write('.SS "kmirror ', roff(name), it.arguments_text ~= "" and " " .. roff(it.arguments_text) or "", '"\n')
    write(roff(it.summary), "\n")
    prose(it.details)
    for _, each in ipairs(it.own) do
        if not in_sets[each.names[1]] then option(each) end
    end
end

local function runbook(name)
    local it = definitions.runbook(name)
    local takes = {}
    for i, argument in ipairs(it.arguments) do takes[i] = " " .. argument.placeholder end
    write('.SS "kmirror run ', roff(name), " [OPTION...]", roff(table.concat(takes)), '"\n')
    prose(it.details, true)
    for _, each in ipairs(it.options) do option(each) end
end

local sets = {
    { "Code", "code" },
    { "Connection", "connection" }, { "Safety", "safety" }, { "Jobs", "job" }, { "Times", "times" },
    { "Results", "results", "tables" }, { "Report", "report" }, { "Messages", "messages" }, { "Sandbox", "world" },
}

write(('.TH KMIRROR 1 "" "kmirror %s" "User Commands"\n.nh\n.ad l\n'):format(host.version))
section("NAME")
write("kmirror \\- run runbooks that operate Kafka mirrors\n")
section("SYNOPSIS")
write(".B kmirror\n[\\fIOPTION\\fR...] \\fICOMMAND\\fR [\\fIARG\\fR...]\n.br\n")
write(".B kmirror run\n[\\fIOPTION\\fR...] \\fISCRIPT\\fR|\\fINAME\\fR [\\fIARG\\fR...]\n")
section("DESCRIPTION")
prose([[
kmirror runs runbooks: Lua scripts that operate Kafka mirrors through the Instaclustr mirroring API. A runbook reads
top to bottom as if every call blocked; underneath, calls run side by side, within the account's rate limit, and are
retried when that is safe. Single operations are commands. How to write a runbook is told in kmirror-runbook(7).

With --sandbox any command uses a simulated API, which runs as long as the command: try things there.]], true)
section("COMMANDS")
for _, name in ipairs(cli.names) do command(name) end
section("OPTIONS")
write("Options may stand before or after the command; those of a runbook follow its name.\n")
for _, set in ipairs(sets) do
    write('.SS "', set[1], '"\n')
    for _, each in ipairs(definitions.of_sets({ table.unpack(set, 2) })) do option(each) end
end
section("RUNBOOKS")
write("These ship with kmirror.\n")
for _, name in ipairs(host.scripts()) do runbook(name) end

section("ENVIRONMENT")
for _, variable in ipairs({
    { "KMIRROR_ENDPOINT", "Base URL of the API." },
    { "KMIRROR_API", "Which API: v1, which is the default, v2, or connect, a Kafka Connect cluster of your own." },
    { "KMIRROR_CLUSTER", "Id of the Kafka Connect cluster, or its name in the profile." },
    { "KMIRROR_USERNAME", "User name of the account." },
    { "KMIRROR_API_KEY", "A provisioning API key." },
    { "KMIRROR_API_KEY_FILE", "Name of a file with the key, which nobody but its owner may be able to read." },
    { "KMIRROR_PROFILE", "Profile of the configuration file." },
    { "KMIRROR_STORE", "Where jobs are kept." },
    { "VISUAL, EDITOR, KMIRROR_PAGER, PAGER", "What the prompt edits with; its pager." },
    { "NO_COLOR", "No colour when it is set and not empty." },
    { "https_proxy, all_proxy, no_proxy", "Proxies, as libcurl takes them." },
    { "CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR", "CA certificates instead of the system's, as curl takes them." },
}) do
    write(".TP\n.B ", roff(variable[1]), "\n", roff(variable[2]), "\n")
end

section("FILES")
write(".TP\n.I ~/.config/kmirror/config.lua\n", roff([[
The configuration, under $XDG_CONFIG_HOME when that is set: a Lua file that returns named profiles, each an account with
its clusters and habits. It must not be readable by others when a key is in it.]]), "\n")
write(".PP\n.RS\n.nf\n", roff([[
return {
  profile = "production",
  profiles = {
    production = {
      username = "alice",
      api_key_command = "pass show kmirror",
      read_only = true,
      cluster = "us-east",
      clusters = {
        ["us-east"] = {
          connect = "UUID", kafka = "UUID", alias = "us-east",
        },
        ["us-west"] = {
          connect = "UUID", kafka = "UUID", alias = "us-west",
        },
      },
      runbooks = { failover = { from = "us-west", to = "us-east" } },
    },
  },
}]]), "\n.fi\n.RE\n")
write(".TP\n.I ~/.config/kmirror/prompt.lua\n", roff([[
What a session at the prompt begins with: Lua.]]), "\n")
write(".TP\n.I ~/.local/state/kmirror/\n", roff([[
The store of jobs, the history of runs, what was typed at the prompt, and the account's quota shared by all kmirror
processes on this machine; under $XDG_STATE_HOME when that is set.]]), "\n")

section("FLEET FILES")
prose(require("kmirror.fleet").format)

section("EXIT STATUS")
for _, status in ipairs({
    { "0", "Done." },
    { "1", "The runbook or the request failed." },
    { "2", "The command line, a file or the configuration is wrong; nothing was changed." },
    { "3", "Finished, but some items failed." },
    { "130", "Interrupted. The first Ctrl-C lets changes under way finish; the second stops at once." },
}) do
    write(".TP\n.B ", status[1], "\n", roff(status[2]), "\n")
end

section("EXAMPLES")
for i, example in ipairs({
    { "Rehearse a failover, then do it in earnest:", "kmirror run --sandbox failover\n"
        .. "kmirror run --profile production --job tonight failover" },
    { "Ids of the mirrors from us-west:", "kmirror list | grep 'us-west\\.us-east\\.' | cut -f 1" },
    { "Check the setup:", "kmirror doctor" },
}) do
    write(i > 1 and ".PP\n" or "", roff(example[1]), "\n.PP\n.RS\n.nf\n", roff(example[2]), "\n.fi\n.RE\n")
end
section("SEE ALSO")
write(".BR kmirror\\-runbook (7)\n")
