/* The seam of the locks; see the header. */
#include "base/lock.h"

void (*kfk_lock_heard)(kfk_lock_point);
