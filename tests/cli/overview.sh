# What a newcomer types first.
try likely
try likely help
likely help | grep -c '^  [a-z]* *[a-z]' | sed 's/^.*$/overview printed/'
likely --help | cmp - $(likely help >help.txt; echo help.txt) && echo "--help is help"
likely --version
try likely --quiet fit
try likely fitt data.csv
try likely dens
try likely xyzzy
try likely help desnity
try likely help ggm
try likely fit
try likely density model.lk
