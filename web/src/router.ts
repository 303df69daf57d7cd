/** Every page's address. Pages are loaded when they are first opened. */
import { createRouter, createWebHistory } from 'vue-router'

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', name: 'overview', component: () => import('./pages/overview/OverviewPage.vue') },
    { path: '/nodes', name: 'nodes', component: () => import('./pages/nodes/NodesPage.vue') },
    {
      path: '/nodes/:name',
      name: 'node',
      component: () => import('./pages/nodes/NodePage.vue'),
      props: true,
    },
    { path: '/tasks', name: 'tasks', component: () => import('./pages/tasks/TasksPage.vue') },
    {
      path: '/tasks/:id(\\d+)',
      name: 'task',
      component: () => import('./pages/task/TaskPage.vue'),
      props: true,
    },
    { path: '/batches', name: 'batches', component: () => import('./pages/batch/BatchesPage.vue') },
    {
      path: '/batches/:id(\\d+)',
      name: 'batch',
      component: () => import('./pages/batch/BatchPage.vue'),
      props: true,
    },
    { path: '/tokens', name: 'tokens', component: () => import('./pages/people/TokensPage.vue') },
    { path: '/users', name: 'users', component: () => import('./pages/people/UsersPage.vue') },
    { path: '/activity', name: 'activity', component: () => import('./pages/activity/ActivityPage.vue') },
    { path: '/submit', name: 'submit', component: () => import('./pages/submit/SubmitPage.vue') },
    {
      path: '/login',
      name: 'login',
      component: () => import('./pages/LoginPage.vue'),
      meta: { isBare: true },
    },
    { path: '/help', name: 'help', component: () => import('./pages/HelpPage.vue') },
    { path: '/:path(.*)*', name: 'not-found', component: () => import('./pages/NotFoundPage.vue') },
  ],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
})

declare module 'vue-router' {
  interface RouteMeta {
    /** Without the frame of the other pages. */
    isBare?: boolean
  }
}
