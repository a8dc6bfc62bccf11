/*
 * facts.c - one fact after another, for a person or as JSON.
 */
#include "facts.h"

static void
begin(struct cli_facts *facts, const char *name)
{
    const char *object = facts->name;

    facts->name = NULL;
    if (object != NULL)
        cli_fact_text(facts, "name", object);
    if (facts->json)
        printf("%s\"%s\": ", facts->begun ? ", " : "{", name);
    else
        printf("%s: ", name);
    facts->begun = true;
}

static void
end(const struct cli_facts *facts)
{
    if (!facts->json)
        putchar('\n');
}

void
cli_fact_number(struct cli_facts *facts, const char *name, uint64_t number)
{
    begin(facts, name);
    printf("%llu", (unsigned long long)number);
    end(facts);
}

void
cli_fact_real(struct cli_facts *facts, const char *name, double number)
{
    begin(facts, name);
    cli_print_item(stdout, kith_float(number));
    end(facts);
}

void
cli_fact_flag(struct cli_facts *facts, const char *name, bool flag)
{
    begin(facts, name);
    fputs(flag ? "true" : "false", stdout);
    end(facts);
}

void
cli_fact_text(struct cli_facts *facts, const char *name, const char *text)
{
    begin(facts, name);
    if (facts->json)
        cli_print_json_string(stdout, text);
    else
        cli_print_visible(stdout, text);
    end(facts);
}

void
cli_fact_time(struct cli_facts *facts, const char *name, int64_t time_ns)
{
    begin(facts, name);
    if (facts->json)
        putchar('"');
    cli_print_time(stdout, time_ns);
    if (facts->json)
        putchar('"');
    end(facts);
}

void
cli_facts_end(struct cli_facts *facts)
{
    if (facts->json && facts->begun)
        puts("}");
}
