std = "lua54"
max_line_length = 110
files["spec"].std = "+busted"
files[".busted"].std = "lua54"
