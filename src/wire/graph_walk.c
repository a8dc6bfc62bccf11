/*
 * graph_walk.c - goes over all that a node leads to.
 *
 * Who made the graph may have nested it a million deep, so the way back is kept in memory of our
 * own and not in that of the thread.
 */
#include "graph.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

/* Children of an object before those of its acts: callable, arguments, keywords. */
static size_t
parts(const struct kith__node *object)
{
    return object->made.keywords == NULL ? 2 : 3;
}

size_t
kith__node_children(const struct kith__node *node)
{
    if (kith__node_is_run(node))
        return node->run.count;
    if (!kith__node_is_object(node))
        return 0;
    /* Two an act: one without a second has NULL there. */
    return parts(node) + (node->made.acts == NULL ? 0 : 2 * (size_t)node->made.acts->count);
}

const struct kith__node *
kith__node_child(const struct kith__node *node, size_t index)
{
    const struct kith__act *act;

    if (kith__node_is_run(node))
        return node->run.items[index];
    if (index == 0)
        return node->made.callable;
    if (index == 1)
        return node->made.arguments;
    if (index == 2 && node->made.keywords != NULL)
        return node->made.keywords;
    index -= parts(node);
    act = &node->made.acts->list[index / 2];
    return index % 2 == 0 ? act->first : act->second;
}

/* One node on the way, and which of its children is next. */
struct stop {
    const struct kith__node *node;
    size_t next;
    size_t depth; /* of the deepest below it so far, it being 1 */
};

struct walk {
    struct stop *way;
    size_t count, room;
};

static bool
enter(struct walk *walk, const struct kith__node *node)
{
    if (walk->count == walk->room) {
        size_t room = walk->room == 0 ? 64 : walk->room * 2;
        struct stop *way = kith__realloc(walk->way, room * sizeof(*way));

        if (way == NULL)
            return false;
        walk->way = way;
        walk->room = room;
    }
    walk->way[walk->count++] = (struct stop){ .node = node, .depth = 1 };
    return true;
}

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory left to go over a message.");
}

/* By number, beside how often a node was met: it is being walked; how deep it goes. */
struct marks {
    bool *open;
    uint32_t *depth;
};

static void
meet(struct walk *walk, struct kith__survey *survey, const struct marks *marks,
     const struct kith__node *child, bool *memory)
{
    uint8_t *places = &survey->places[child->number];
    size_t known = marks->depth[child->number];
    struct stop *here = &walk->way[walk->count - 1];

    survey->edges++;
    if (*places == 0) {
        *places = 1;
        survey->nodes++;
        marks->open[child->number] = true;
        *memory = enter(walk, child);
        return;
    }
    *places = 2;
    if (marks->open[child->number])
        survey->circular = true;
    else if (known + 1 > here->depth)
        here->depth = known + 1;
}

static void
leave(struct walk *walk, const struct marks *marks)
{
    struct stop done = walk->way[--walk->count];
    struct stop *above = walk->count == 0 ? NULL : &walk->way[walk->count - 1];

    marks->open[done.node->number] = false;
    marks->depth[done.node->number] = done.depth > UINT32_MAX ? UINT32_MAX : (uint32_t)done.depth;
    if (above != NULL && done.depth + 1 > above->depth)
        above->depth = done.depth + 1;
}

kith_err
kith__graph_survey(const struct kith__graph *graph, const struct kith__node *root,
                   struct kith__survey *survey_out)
{
    size_t count = kith__graph_count(graph);
    struct kith__survey survey = { .places = kith__calloc(count, 1), .nodes = 1, .depth = 1 };
    struct marks marks = { kith__calloc(count, sizeof(bool)),
                           kith__calloc(count, sizeof(uint32_t)) };
    struct walk walk = { .way = NULL };
    bool memory =
        survey.places != NULL && marks.open != NULL && marks.depth != NULL && enter(&walk, root);

    if (memory) {
        survey.places[root->number] = 1;
        marks.open[root->number] = true;
    }
    while (memory && walk.count > 0) {
        struct stop *here = &walk.way[walk.count - 1];

        if (here->next < kith__node_children(here->node)) {
            const struct kith__node *child = kith__node_child(here->node, here->next++);

            if (child != NULL)
                meet(&walk, &survey, &marks, child, &memory);
        } else {
            survey.depth = here->depth;
            leave(&walk, &marks);
        }
    }
    kith__free(walk.way);
    kith__free(marks.open);
    kith__free(marks.depth);
    if (!memory) {
        kith__free(survey.places);
        return no_memory();
    }
    *survey_out = survey;
    return KITH_OK;
}

void
kith__survey_free(struct kith__survey *survey)
{
    kith__free(survey->places);
    survey->places = NULL;
}

kith_err
kith__graph_each(const struct kith__graph *graph, const struct kith__node *root,
                 bool (*visit)(void *arg, const struct kith__node *node), void *arg)
{
    bool *seen = kith__calloc(kith__graph_count(graph), sizeof(bool));
    struct walk walk = { .way = NULL };
    bool memory = seen != NULL;

    if (memory) {
        seen[root->number] = true;
        memory = !visit(arg, root) || enter(&walk, root);
    }
    while (memory && walk.count > 0) {
        struct stop *here = &walk.way[walk.count - 1];
        const struct kith__node *child;

        if (here->next == kith__node_children(here->node)) {
            walk.count--;
            continue;
        }
        child = kith__node_child(here->node, here->next++);
        if (child == NULL || seen[child->number])
            continue;
        seen[child->number] = true;
        if (visit(arg, child))
            memory = enter(&walk, child);
    }
    kith__free(walk.way);
    kith__free(seen);
    return memory ? KITH_OK : no_memory();
}
