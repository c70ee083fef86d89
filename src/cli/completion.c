/* Shell completion for bash, zsh and fish, made from the descriptors. */
#include "cli/cli.h"

#include <string.h>

typedef struct completion_state {
    FILE *out;
    const char *verb;
    int count;
} completion_state;

static void option_word(void *state, const char *title, const lk_parameter *p, bool of_method)
{
    completion_state *s = state;
    char spelling[80];
    (void)title;
    (void)of_method;
    cli_option_spelling(p, spelling, sizeof spelling);
    fprintf(s->out, "%s%s", s->count++ == 0 ? "" : " ", spelling);
}

static void words_of_choices(FILE *out, const char *choices)
{
    for (const char *c = choices; *c != '\0'; c++) {
        fputc(*c == ',' ? ' ' : *c, out);
    }
}

/* Options with a list of words: "verb --option) words". */
static void choice_case(void *state, const char *title, const lk_parameter *p, bool of_method)
{
    completion_state *s = state;
    char spelling[80];
    (void)title;
    (void)of_method;
    if (p->choices == NULL) {
        return;
    }
    cli_option_spelling(p, spelling, sizeof spelling);
    fprintf(s->out, "        %s\\ %s) COMPREPLY=($(compgen -W \"", s->verb, spelling);
    words_of_choices(s->out, p->choices);
    fputs("\" -- \"$word\")); return ;;\n", s->out);
}

static const lk_method *method_of(const cli_verb *verb)
{
    return verb->takes_method ? lk_method_at(0) : NULL;
}

static void verb_names(FILE *out)
{
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : " ", cli_verbs[i]->name);
    }
}

static void print_bash(FILE *out)
{
    fputs("# bash completion of likely\n_likely() {\n    local word=${COMP_WORDS[COMP_CWORD]} "
          "verb=${COMP_WORDS[1]} before=${COMP_WORDS[COMP_CWORD-1]}\n    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"",
          out);
    verb_names(out);
    fputs(" --help --version\" -- \"$word\")); return\n    fi\n    case \"$verb $before\" in\n", out);
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        completion_state state = {out, cli_verbs[i]->name, 0};
        cli_options_each(cli_verbs[i], method_of(cli_verbs[i]), choice_case, &state);
    }
    fputs("        help\\ help) COMPREPLY=($(compgen -W \"", out);
    verb_names(out);
    fputs("\" -- \"$word\")); return ;;\n    esac\n    if [ \"${word#-}\" != \"$word\" ]; then\n"
          "        case \"$verb\" in\n",
          out);
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        completion_state state = {out, cli_verbs[i]->name, 0};
        fprintf(out, "        %s) COMPREPLY=($(compgen -W \"", cli_verbs[i]->name);
        cli_options_each(cli_verbs[i], method_of(cli_verbs[i]), option_word, &state);
        fputs("\" -- \"$word\")); return ;;\n", out);
    }
    fputs("        esac\n    fi\n    COMPREPLY=($(compgen -f -- \"$word\"))\n}\n"
          "complete -o filenames -F _likely likely\n",
          out);
}

/* Text inside single quotes of a shell, without the characters that zsh's _arguments reads as its own. */
static void quoted(FILE *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            fputs("'\\''", out);
        } else if (strchr("[]:\\", *c) != NULL) {
            fprintf(out, "\\%c", *c);
        } else {
            fputc(*c, out);
        }
    }
}

static void zsh_option(void *state, const char *title, const lk_parameter *p, bool of_method)
{
    completion_state *s = state;
    char spelling[80];
    (void)title;
    (void)of_method;
    cli_option_spelling(p, spelling, sizeof spelling);
    fprintf(s->out, "            '%s[", spelling);
    quoted(s->out, p->summary);
    fputc(']', s->out);
    if (p->choices != NULL) {
        fprintf(s->out, ":%s:(", cli_option_placeholder(p));
        words_of_choices(s->out, p->choices);
        fputc(')', s->out);
    } else if (p->type != LK_PARAMETER_FLAG) {
        const char *placeholder = cli_option_placeholder(p);
        fprintf(s->out, ":%s:%s", placeholder, strcmp(placeholder, "FILE") == 0 ? "_files" : "");
    }
    fputs("' \\\n", s->out);
}

static void print_zsh(FILE *out)
{
    fputs("#compdef likely\n_likely() {\n    local -a verbs=(\n", out);
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        fprintf(out, "        '%s:", cli_verbs[i]->name);
        quoted(out, cli_verbs[i]->summary);
        fputs("'\n", out);
    }
    fputs("    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n    fi\n"
          "    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $verb in\n",
          out);
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        completion_state state = {out, cli_verbs[i]->name, 0};
        fprintf(out, "        %s) _arguments \\\n", cli_verbs[i]->name);
        cli_options_each(cli_verbs[i], method_of(cli_verbs[i]), zsh_option, &state);
        if (strcmp(cli_verbs[i]->name, "help") == 0) {
            fputs("            '*:verb:(", out);
            verb_names(out);
            fputs(")' ;;\n", out);
        } else {
            fputs("            '*:file:_files' ;;\n", out);
        }
    }
    fputs("    esac\n}\n_likely \"$@\"\n", out);
}

static void fish_option(void *state, const char *title, const lk_parameter *p, bool of_method)
{
    completion_state *s = state;
    char spelling[80];
    char letter = cli_option_letter(p->name);
    (void)title;
    (void)of_method;
    cli_option_spelling(p, spelling, sizeof spelling);
    fprintf(s->out, "complete -c likely -n '__fish_seen_subcommand_from %s' -l %s", s->verb, spelling + 2);
    if (letter != 0) {
        fprintf(s->out, " -s %c", letter);
    }
    if (p->choices != NULL) {
        fputs(" -x -a '", s->out);
        words_of_choices(s->out, p->choices);
        fputc('\'', s->out);
    } else if (p->type != LK_PARAMETER_FLAG) {
        fputs(strcmp(cli_option_placeholder(p), "FILE") == 0 ? " -r" : " -x", s->out);
    }
    fputs(" -d '", s->out);
    for (const char *c = p->summary; *c != '\0'; c++) {
        fputs(*c == '\'' ? "\\'" : (char[]){*c, '\0'}, s->out);
    }
    fputs("'\n", s->out);
}

static void print_fish(FILE *out)
{
    fputs("# fish completion of likely\n", out);
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        completion_state state = {out, cli_verbs[i]->name, 0};
        fprintf(out, "complete -c likely -f -n __fish_use_subcommand -a %s -d '%s'\n", cli_verbs[i]->name,
                cli_verbs[i]->summary);
        cli_options_each(cli_verbs[i], method_of(cli_verbs[i]), fish_option, &state);
    }
}

int cli_print_completion(FILE *out, const char *shell)
{
    if (strcmp(shell, "bash") == 0) {
        print_bash(out);
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh(out);
    } else {
        print_fish(out);
    }
    return CLI_DONE;
}
