# Help, manual pages and completion come from one table: each names every option of each verb.
likely help --completion bash >completion.bash
bash -n completion.bash && echo "bash completion is shell"
complete() {
    bash -c '. ./completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _likely; echo "${COMPREPLY[@]}"' bash "$@"
}
complete likely de
complete likely fit --co
complete likely fit --covariance s
complete likely help sc
touch faith.csv && complete likely fit fai
verbs=$(likely help | sed -n '/^Usage/,/^$/d; s/^  \([a-z]*\)  *[a-z].*/\1/p' | grep -vx likely)
echo verbs: $verbs
for verb in $verbs; do
    options=$(sed -n "s/^        $verb) COMPREPLY=(\$(compgen -W \"\([^\"]*\)\".*/\1/p" completion.bash)
    likely help "$verb" >help.txt || echo "no help of $verb"
    likely "$verb" --help | cmp - help.txt || echo "$verb --help differs"
    likely "$verb" -h | cmp - help.txt || echo "$verb -h differs"
    likely help --man "$verb" | sed 's/\\-/-/g' >manual.txt || echo "no manual of $verb"
    likely help --completion fish | grep "subcommand_from $verb'" >fish.txt
    likely help --completion zsh | sed -n "/^        $verb) _arg/,/;;/p" >zsh.txt
    count=0
    for option in $options; do
        count=$((count + 1))
        grep -q -e "$option\b" help.txt || echo "$verb: help lacks $option"
        grep -q -e "$option\b" manual.txt || echo "$verb: manual lacks $option"
        grep -q -e "-l ${option#--}\b" fish.txt || echo "$verb: fish lacks $option"
        grep -q -e "'$option\[" zsh.txt || echo "$verb: zsh lacks $option"
    done
    [ "$count" -ge 5 ] || echo "$verb: only $count options found"
    grep -q '^Examples:' help.txt || echo "$verb: no example"
done
# Each example of the help parses: no unknown option, no wrong value.
for verb in $verbs; do
    likely help "$verb" | sed -n '/^Examples:/,$s/^  \(likely .*\)/\1/p' | sed 's/ [|>].*//' | while read -r line; do
        eval "$line --help" >/dev/null || echo "example does not parse: $line"
    done
done
# The method's parameters are options of fit, and documented by 'models METHOD'.
for name in $(likely models gmm --json | json '" ".join(p["name"].replace("_", "-") for p in v["parameters"])'); do
    likely help fit | grep -q -e "--$name\b" || echo "fit lacks --$name"
    likely help gmm | grep -q -e "--$name\b" || echo "help gmm lacks --$name"
done
likely help --man | grep -c '^.BR likely' | sed 's/^/verbs in likely(1): /'
if command -v groff >/dev/null; then
    for verb in likely $verbs; do
        likely help --man "$verb" | groff -man -Tutf8 -ww 2>&1 >/dev/null | sed "s/^/$verb: /"
    done
fi
